"""Graphs that others exported, read and brought into the form of a bundle's."""
