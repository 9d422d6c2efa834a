"""Model files from elsewhere, each fetched in a child process that can be stopped."""
