"""Asking with and about images."""
