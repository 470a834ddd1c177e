"""What Takt's own families declare for learning and export, a room for each.

Entry points name what lives here; `takt.core.families.every` finds it, and nothing here is imported
before. May import every other room. Start reading at `patchcore/learning.py`.
"""
