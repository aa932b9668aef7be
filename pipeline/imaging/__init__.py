"""Medical images: what one is, how it is read, cleaned and prepared for people and models.

Knows the formats and the field's rules for showing them. Knows no store, no model and no command. The libraries that
decode are the extra `images` and are imported by what decodes, so that every other command works without them.
"""
