"""The daemon: watches, queues, schedules, reports; it never loads torch or reads a picture."""
