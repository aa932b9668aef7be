"""Answers that are lists: whole sections, parts of them, named sections, and the summary of a visit."""
