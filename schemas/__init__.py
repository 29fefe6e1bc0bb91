"""What is on the wire: Avro contracts, topics, headers, and the code that reads and writes them."""
