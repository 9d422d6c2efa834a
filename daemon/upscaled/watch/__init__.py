"""Seeing files: events are hints, the scan is the truth (docs/design, section 5)."""
