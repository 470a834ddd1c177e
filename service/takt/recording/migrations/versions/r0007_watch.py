"""The facts of a picture; and what the watch remembers, finds and is told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("inspections", sa.Column("facts", sa.LargeBinary))
    op.create_table(
        "watched",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("station", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "watch_progress",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("began_id", _Id, nullable=False),
        sa.Column("inspection_id", _Id, nullable=False),
        sa.Column("mark_id", _Id, nullable=False),
    )
    op.create_table(
        "alarms",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("station", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("since_id", _Id, nullable=False),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.Column("raised_id", _Id, nullable=False),
        sa.Column("raised_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger),
        sa.Column("acknowledged_us", sa.BigInteger),
        sa.Column("acknowledged_by", sa.Text),
        sa.Column("note", sa.Text),
        sa.Column("snoozed_until_us", sa.BigInteger),
    )
    op.create_index("alarms_raised", "alarms", ["raised_us"])
    op.create_table(
        "marks",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("station", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("inspection_id", _Id, nullable=False),
    )
    op.create_index("marks_at", "marks", ["at_us"])
