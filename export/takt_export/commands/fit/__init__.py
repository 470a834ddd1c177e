"""`takt fit`: what its commands share; that of each family is in the family's folder.

Imports what the commands beside it may, slow rooms inside functions. Start reading at `command.py`;
`options.py`, `sizing.py` and `saving.py` have what the fits share.
"""
