"""A change of the embedding model while questions are answered."""
