"""One YAML file becomes settings: read, parse, interpolate, merge, validate, resolve."""
