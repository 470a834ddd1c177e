"""The watch of a record: its pictures go through the tests, and what they find is kept.

Imports `watching`, whose tests these are, `core`, and the tables of the record. Start reading at
`watcher.py`; `alarms.py` has what was found, for people.
"""
