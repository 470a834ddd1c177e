"""The offline commands of `takt`, found through the entry points in `pyproject.toml`.

Imports every room of `takt_export`, slow ones inside functions, so that `takt --help` stays quick.
Start reading at `export.py`; `options.py` has what all commands share.
"""
