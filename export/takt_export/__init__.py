"""Offline: trained models become bundles that the service can trust, measured and explained.

Imports `takt_models`, the list of families and the service's rooms below its API; the service never
imports it. Start reading at `commands/export.py`, the way from a checkpoint to a bundle.
"""
