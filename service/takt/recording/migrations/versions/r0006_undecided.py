"""Why a picture could not be judged; and the index by which such pictures are found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("inspections", sa.Column("undecided", sa.Text))
    known = sa.text("undecided IS NOT NULL")
    op.create_index(
        "inspections_undecided",
        "inspections",
        ["at_us"],
        sqlite_where=known,
        postgresql_where=known,
    )
