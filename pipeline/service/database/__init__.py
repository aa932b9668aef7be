"""What the service remembers: people, keys, conversations, jobs, feedback, receipts, audit."""
