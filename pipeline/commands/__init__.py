"""What the commands share: the console, progress, and work that several of them start."""
