"""The revisions of the record's tables, one a file; Alembic reads them in their own order.

A revision imports nothing of this project, so that it stays what it was. Start reading at the
first, `r0001_record.py`.
"""
