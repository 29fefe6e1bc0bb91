"""The work itself: render, embed, write, search. No stream processor; Kafka clients for search requests only."""
