"""Indexing runs that the service starts, and their records."""
