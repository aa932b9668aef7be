"""One file a figure. Each compares with a peer or a physical floor in the same run and prints the ratio."""
