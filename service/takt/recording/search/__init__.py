"""What the record has: pages of inspections by filters, one of them, and exports of many.

It imports the record's tables and database, `domain` and `errors`. Start reading at `filters.py`,
which says what can be asked, and `stored.py`, which says what comes back.
"""
