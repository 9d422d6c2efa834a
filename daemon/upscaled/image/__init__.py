"""Files to pixels and back, in the worker only: the bytes are not to be trusted."""
