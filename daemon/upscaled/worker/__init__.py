"""The child process that decodes untrusted bytes and holds the models."""
