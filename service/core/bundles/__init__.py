"""A version's files: the bundle, its thresholds and its host profiles, read and written.

May import `domain`, `host`, `errors`. Start reading at `bundle.py`; `reading.py` is
where files are opened.
"""
