"""`takt msa`: its commands, one file each.

Imports the rest of `takt_msa`, the options of other commands, and slow rooms inside functions.
Start reading at `command.py`; `outputs.py` has what the commands share.
"""
