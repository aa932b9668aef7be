"""How long things are kept, and what removes them."""
