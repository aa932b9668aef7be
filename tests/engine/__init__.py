"""The proof on the real Pulumi engine: a cloud, a provider, a host and the command line that a user types."""
