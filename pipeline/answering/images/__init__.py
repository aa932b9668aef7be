"""Images asked with and asked about: which are shown, and what an answer may say of them."""
