"""Pictures become the bytes of a file."""
