"""Where results go, and how they get there so that nothing is ever half there."""
