"""Conversations of people with Chartwell, and what they thought of its answers."""
