"""What becomes of a source once its result is durable."""
