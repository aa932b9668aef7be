"""A question in, a cited answer out: embed, retrieve, rank (where a ranker is set), prompt, generate, verify."""
