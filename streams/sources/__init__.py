"""Files that people have, read as profile changes: one item or one rejection per record, in bounded memory."""
