"""One picture through a plan, tile by tile, within the memory that is free."""
