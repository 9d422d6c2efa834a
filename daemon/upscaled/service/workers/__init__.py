"""Worker processes: one slot for each device, started, fed and restarted."""
