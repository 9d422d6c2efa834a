"""From settled files to finished jobs: intake, scheduling, dispatch, crash recovery."""
