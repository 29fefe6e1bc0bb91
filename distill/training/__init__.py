"""What the encoders are trained on: drawn from the authored taxonomy and lexicon, the same for the same seed."""
