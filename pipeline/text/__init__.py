"""What a stretch of clinical English says: facts, and whether one stretch carries what another claims."""
