"""Records in tables."""
