"""What `upscaled bench` measures, and the engines it compares with."""
