"""What a workflow does to a picture: upscale, restore faces, run a command."""
