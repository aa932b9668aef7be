"""The library of documents behind the service's doors."""
