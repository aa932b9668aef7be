"""Answers of a shape that needs no language model: lists, yes or no, who, counts, summaries, each line a quotation."""
