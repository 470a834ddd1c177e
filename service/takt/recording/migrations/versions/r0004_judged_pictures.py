"""Where a defect is, in a judgement; and the index by which a picture that comes back is found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply the revision."""
    known = sa.text("sha256 IS NOT NULL")
    op.add_column("judgements", sa.Column("box", sa.Text))
    op.create_index(
        "inspections_sha256",
        "inspections",
        ["sha256", "at_us"],
        sqlite_where=known,
        postgresql_where=known,
    )
