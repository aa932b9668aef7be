"""What a call carries with it from thread to thread: its cancellation, its retries, its trace."""
