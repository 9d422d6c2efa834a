"""A watch-folder daemon that upscales images and loses nothing."""

__version__ = "0.1.0"
