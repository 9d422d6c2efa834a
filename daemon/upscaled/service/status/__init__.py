"""What the daemon says of itself: status, summary line, readiness."""
