"""How good retrieval is, on sets with relevance judgements."""
