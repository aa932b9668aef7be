"""What is registered in AWS: one component resource a file, from plain values."""
