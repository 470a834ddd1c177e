"""Exports of inspections: CSV, JSON lines and Parquet, a chunk at a time.

The columns are those of `search/stored.py`. It imports the rest of `search`, and `distribution` for
what to install. Start reading at `export.py`; each format is a file.
"""
