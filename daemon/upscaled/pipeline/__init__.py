"""One job, from bytes to outcome."""
