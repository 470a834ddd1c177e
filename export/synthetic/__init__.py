"""Data sets whose defects a program draws on pictures of good parts.

May import `export.evaluation.data_sets`, `export.pictures` and `export.errors`; `export.commands`
imports it. Start reading at `data_set.py`.
"""
