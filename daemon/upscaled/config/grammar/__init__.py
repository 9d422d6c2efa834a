"""Which blocks, keys and values a configuration may have."""
