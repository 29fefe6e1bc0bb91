"""Change stream to searchable index: what to do with every record, in which order, and what is told about it."""
