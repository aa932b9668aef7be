"""Phantoms: films and slices of no one, drawn for the demonstration."""
