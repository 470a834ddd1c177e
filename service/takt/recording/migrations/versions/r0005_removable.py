"""What retention removes is found by the order in which it was recorded, and no longer by date."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply the revision."""
    postgresql = op.get_bind().dialect.name == "postgresql"
    removable = sa.text("picture AND NOT pinned" if postgresql else "picture = 1 AND pinned = 0")
    op.drop_index("inspections_removable", "inspections")
    op.create_index(
        "inspections_removable",
        "inspections",
        ["id"],
        sqlite_where=removable,
        postgresql_where=removable,
    )
