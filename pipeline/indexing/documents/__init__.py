"""Library documents on their way into the store of notes: taken in, read, decided about, indexed."""
