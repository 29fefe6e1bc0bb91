"""The HTTP gateway: questions and feedback over HTTP onto the bus, and nothing else."""
