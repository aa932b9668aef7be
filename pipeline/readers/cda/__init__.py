"""Notes in CDA R2 and C-CDA documents."""
