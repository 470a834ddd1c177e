"""Measurements of what watches a model: its arithmetic, its false alarms and its delays."""
