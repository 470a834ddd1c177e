"""The index in which a review's calendar counts what was kept and judged on each day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply the revision."""
    kept = sa.text("kept IS NOT NULL")
    op.drop_index("inspections_kept", "inspections")
    op.create_index(
        "inspections_kept",
        "inspections",
        ["kept", "at_us", "judgement"],
        sqlite_where=kept,
        postgresql_where=kept,
    )
