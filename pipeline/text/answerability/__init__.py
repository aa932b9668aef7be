"""Whether a sentence can answer a question: what it must hold, in which words, and which value it must have."""
