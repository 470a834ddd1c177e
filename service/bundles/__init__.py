"""The files of a model's version."""
