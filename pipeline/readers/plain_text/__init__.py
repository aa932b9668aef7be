"""Text: its encoding, what of it is markup, and files that are one note each."""
