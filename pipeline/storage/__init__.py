"""SQLite files, locks between processes, and SQL kept in files of its own."""
