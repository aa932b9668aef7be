"""What a statement says, as words, figures, sides, denials and doubts, and whether another one carries it."""
