"""Makes a bundle of a checkpoint or a graph."""
