"""What a person starts: one module per group of commands."""
