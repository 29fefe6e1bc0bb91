"""Constraints in plain words out of a question: places, languages, levels, years. It reads what it is sure of."""
