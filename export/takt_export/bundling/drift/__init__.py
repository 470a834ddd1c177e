"""How far a bundle's answers lie from the trained model's, and how far they may.

Imported by `takt_export.bundling.export_bundle`. Start reading at `compare.py`.
"""
