"""What `upscaled doctor` looks at: a module for each noun, each yields findings."""
