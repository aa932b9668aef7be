"""Documents of a hospital's library, guidelines, letters and protocols: how they are read, judged and kept."""
