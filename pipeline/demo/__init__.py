"""The notes that ship with Chartwell, and a first look at what it does with them."""
