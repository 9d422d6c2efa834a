"""What is done on the side: old history, half-written files, known mounts."""
