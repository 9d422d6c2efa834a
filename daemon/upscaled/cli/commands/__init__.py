"""A module for each command or group of commands, loaded when it is used."""
