"""The tools beside the server: `takt bench`, `demo`, `doctor`, `keys`, `records`, `tune`, `watch`.

Each has a room, or a file if it is small; none imports another one, the web app or the server.
`access.py` has the options of those that ask a server, and `record.py` of those that read the
record; `errors.py` has how they fail, `columns.py` how they lay out a table, and `sign_key.py` the
key of those that sign.
Imports `configuration`, `core`, `digits`, `headings`, `mirroring`, `observing`, `recording`,
`repository`, `security`, `settings`, `sources`, `streaming` and `takt_client`. Start reading at a
room's `__init__.py`: it names the first file.
"""
