"""The store that needs no server: one SQLite file with words and vectors."""
