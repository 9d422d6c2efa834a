"""What people read, as lines of styled words: pure, but for the one module that writes them."""
