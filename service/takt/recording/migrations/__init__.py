"""What brings an older record up to date, by Alembic.

It imports `errors` and the record's tables. Start reading at `upgrade.py`.
"""
