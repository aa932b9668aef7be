"""The HTTP service and its page: people, rights, questions, jobs, audit. Nothing happens at import."""
