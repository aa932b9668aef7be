"""Reading one file of the library: its format by its bytes, its pages in order, and what a reviewer must see."""
