"""How each kind of network is run block by block, and how far each block looks."""
