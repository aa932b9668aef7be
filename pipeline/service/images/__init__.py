"""Images that people look at: found within what they may see, and read again from their originals."""
