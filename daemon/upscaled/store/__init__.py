"""The job queue in SQLite: the one thing that must survive everything."""
