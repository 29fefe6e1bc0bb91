"""The work itself: render, embed, write, search. Knows no stream processor; a Kafka client only in the query consumer."""
