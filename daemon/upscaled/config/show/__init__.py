"""Settings as a configuration again, for `upscaled config show`."""
