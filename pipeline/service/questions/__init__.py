"""Questions in progress: context, queue, streaming, and what is recorded of each."""
