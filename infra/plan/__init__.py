"""What a stack is asked for and what fits: no resource is made here."""
