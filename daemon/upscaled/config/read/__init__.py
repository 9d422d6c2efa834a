"""YAML text becomes one canonical tree: parsed, filled in, included, normalised."""
