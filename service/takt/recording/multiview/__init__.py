"""Recipes and parts of several views in the record's database.

Imports `core`, `observing` and, of the record, `audit`, `database`, `review` and `tables`. Start
reading at `recipes.py`; `parts.py` has a row for each part that has its result.
"""
