"""Who a user is, and what they may do and see."""
