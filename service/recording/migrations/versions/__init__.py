"""The revisions, one a file; Alembic reads them in the order that they name."""
