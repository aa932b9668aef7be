"""Sets of questions with their answers for `pipeline.evaluate answers`, and what makes the generated one."""
