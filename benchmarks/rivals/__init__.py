"""Other ways to do the indexer's job, each a process of its own, written as well as one can in an afternoon."""
