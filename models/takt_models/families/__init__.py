"""How the checkpoints of Takt's own families are read, a module for each.

Entry points name what lives here. May import every other room. Start reading at `patchcore.py`.
"""
