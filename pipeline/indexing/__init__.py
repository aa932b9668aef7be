"""Notes in, vectors in the store: read, validate, chunk, embed, commit, acknowledge."""
