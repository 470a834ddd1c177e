"""The record: what was decided, by what, of which picture; kept for years.

Imports `core`, `declaration`, `observing`, `peers`, `security` and `watching`. Start reading at
`tables.py`, which says what is kept.
"""
