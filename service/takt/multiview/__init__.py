"""Parts of several views: what a part is inspected by, and one verdict on all of its views.

A *part* here is a piece on the line; what a server consists of is in `takt/parts`.
Imports `core`, `peers` and `recording`. Start reading at `open_parts.py`, which has every part
that waits for a view; `recipe.py` says what a part is inspected by.
"""
