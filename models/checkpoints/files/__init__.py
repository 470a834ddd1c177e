"""Reads the files of checkpoints and runs nothing in them."""
