"""What every model server over HTTP has in common: requests, retries, concurrency, errors, chat streams."""
