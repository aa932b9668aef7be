"""Removes what is older than the settings allow."""
