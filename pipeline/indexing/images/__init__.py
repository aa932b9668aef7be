"""Images on the indexing flow: found in folders with what tables say of them, read, embedded, stored, compared."""
