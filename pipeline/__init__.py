"""Clinical notes and images in, cited answers out."""
