"""Originals shown again."""
