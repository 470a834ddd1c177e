"""`takt msa`: its commands, one file each.

Imports what the commands beside it may, slow rooms inside functions. Start reading at `command.py`;
`outputs.py` has what the commands share.
"""
