"""What a question asks for, read from its words alone: whom, what, when, and what shape the answer has."""
