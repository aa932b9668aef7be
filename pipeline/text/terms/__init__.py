"""Terms of medicine: their parts, other spellings, kinds and classes."""
