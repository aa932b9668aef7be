"""Records in JSON texts and JSON Lines."""
