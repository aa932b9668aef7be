"""How a note is built: its sections, the items of its lists, and how a finding is asserted."""
