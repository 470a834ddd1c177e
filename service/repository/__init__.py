"""Which versions of a model there are, and which one answers."""
