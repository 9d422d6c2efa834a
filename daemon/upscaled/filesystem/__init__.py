"""Mounts, disks that do not answer, and files that somebody still writes to."""
