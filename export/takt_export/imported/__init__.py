"""ONNX graphs that other tools exported, on their way to a bundle.

May import `takt_export.bundling`, `takt_export.pictures` and the bundles and engines of the
service; `takt_export.commands` imports it. Start reading at `source.py`.
"""
