"""What the first view of a part says of it, such as a PLC's number; and parts by time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("parts", sa.Column("tags", sa.Text))
    op.create_index("parts_ended", "parts", ["ended_us"])
