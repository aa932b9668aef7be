"""Notes in, vectors in the store: ingest, validate, chunk, embed, store."""
