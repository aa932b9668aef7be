"""Names of people in notes and questions, and the words that are none."""
