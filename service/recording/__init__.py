"""The record: what was decided, by what, of which picture; kept for years.

It imports `domain`, `errors`, `host`, `distribution`, `bundles`, and from `observing` what is noted
of an answer. Start reading at `tables.py`, which says what is kept.
"""
