"""Offline: a checkpoint becomes a bundle that the service can trust."""
