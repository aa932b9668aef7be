"""A question in, a cited answer out: embed, retrieve, rank, prompt, generate, verify."""
