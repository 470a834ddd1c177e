"""The revisions of the record's tables, by Alembic; each is a file of `versions/`."""
