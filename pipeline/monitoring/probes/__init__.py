"""What is asked of a running deployment: one probe a file."""
