"""A valid document becomes settings: components looked up, paths absolute, defaults put in."""
