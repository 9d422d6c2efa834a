"""Who else hears of what ended: the desktop, Prometheus, the user's own commands."""
