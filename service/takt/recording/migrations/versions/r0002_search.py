"""Indexes by which inspections are searched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply the revision."""
    for name, columns in (("at", ["at_us", "score"]), ("score", ["score", "at_us"])):
        op.drop_index(f"inspections_{name}", "inspections")
        op.create_index(f"inspections_{name}", "inspections", columns)
    for name, columns, where in (
        ("kept", ["kept", "at_us"], "kept IS NOT NULL"),
        ("station_verdict", ["station", "anomalous", "at_us"], "station IS NOT NULL"),
        ("lot_verdict", ["lot", "anomalous", "at_us"], "lot IS NOT NULL"),
        ("model_judgement", ["model", "judgement", "at_us"], "judgement IS NOT NULL"),
        ("model_unjudged", ["model", "at_us"], "judgement IS NULL"),
        ("unjudged", ["at_us"], "judgement IS NULL"),
    ):
        condition = sa.text(where)
        op.create_index(
            f"inspections_{name}",
            "inspections",
            columns,
            sqlite_where=condition,
            postgresql_where=condition,
        )
