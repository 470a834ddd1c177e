"""`takt backup` and `takt restore`: what a server has decided and kept, in one file.

`archive.py` is the file, `gathering.py` what goes into it and `restoring.py` what comes out of it;
`private_keys.py` knows what must never be in it. It imports the rooms `recording` and `repository`.
Start reading at `command.py`.
"""
