"""ONNX graphs that other tools exported, on their way to a bundle.

May import `export.bundling`, `export.pictures` and the bundles and engines of the service;
`export.commands` imports it. Start reading at `source.py`.
"""
