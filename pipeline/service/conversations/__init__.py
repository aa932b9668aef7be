"""What people did, for themselves: conversations, feedback, jobs, and how long it is kept."""
