"""Metrics, logs and traces; changes no answer."""
