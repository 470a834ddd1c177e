"""`takt backup` and `takt restore`: what a server has decided and kept, in one file.

`archive.py` writes the file and `reading.py` reads it, `gathering.py` is what goes into it and
`restoring.py` what comes out of it; `private_keys.py` knows what must never be in it, and
`database.py` what alone may be in its database. It imports the rooms `recording`, `repository` and
`security`.
Start reading at `command.py`.
"""
