"""Pictures become other pictures: resize, sharpen, denoise, transparency, colour."""
