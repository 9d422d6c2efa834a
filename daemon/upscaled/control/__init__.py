"""The daemon's control socket: both ends of it."""
