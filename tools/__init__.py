"""What is made with programs of the repository, or built for its tests, and is not part of the product."""
