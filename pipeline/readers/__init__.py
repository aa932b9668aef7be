"""Records from files, folders and standard input: one reader a format."""
