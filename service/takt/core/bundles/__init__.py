"""A version's files: the bundle, its thresholds and its host profiles, read and written.

Imports `domain`, `errors`, `naming` and `problem`. Start reading at `bundle.py`; `reading.py` is
where files are opened.
"""
