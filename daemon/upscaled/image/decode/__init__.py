"""A file's bytes become pictures; content decides, never the file's name."""
