"""Models as files: which there are, where they come from, and how they come to be here."""
