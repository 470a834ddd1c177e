"""The record's first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_GIVEN = ("judgement", "station", "lot", "part")


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "sources",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("engine", sa.Text, nullable=False),
        sa.Column("variant", sa.Text, nullable=False, server_default=""),
        sa.Column("runtime", sa.Text, nullable=False),
        sa.Column("processor", sa.Text, nullable=False),
        sa.UniqueConstraint(
            *("model", "version", "digest", "engine", "variant", "runtime", "processor"),
            name="source",
        ),
    )
    _create_inspections()
    _create_review()
    _create_audit()


def _create_inspections() -> None:
    times = ("decode", "preprocess", "queue", "engine", "postprocess", "render", "total")
    op.create_table(
        "inspections",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("source_id", _ID, sa.ForeignKey("sources.id"), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("anomalous", sa.Boolean, nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("threshold", sa.Float, nullable=False),
        sa.Column("pixel_threshold", sa.Float, nullable=False),
        sa.Column("percentile", sa.Float),
        sa.Column("regions", sa.Text),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("warnings", sa.Text),
        *(sa.Column(f"{time}_ms", sa.Float, nullable=False) for time in times),
        sa.Column("sha256", sa.LargeBinary(32)),
        sa.Column("input_bytes", sa.Integer, nullable=False),
        sa.Column("input_format", sa.Text, nullable=False),
        sa.Column("station", sa.Text),
        sa.Column("part", sa.Text),
        sa.Column("lot", sa.Text),
        sa.Column("tags", sa.Text),
        sa.Column("kept", sa.Text),
        sa.Column("picture", sa.Boolean, nullable=False, server_default="0"),
        sa.Column("pinned", sa.Boolean, nullable=False, server_default="0"),
        sa.Column("judgement", sa.Text),
        sa.Column("judged_at_us", sa.BigInteger),
    )
    op.create_index("inspections_at", "inspections", ["at_us"])
    op.create_index("inspections_model", "inspections", ["model", "at_us"])
    op.create_index("inspections_version", "inspections", ["model", "version", "at_us"])
    op.create_index("inspections_verdict", "inspections", ["anomalous", "at_us"])
    op.create_index("inspections_score", "inspections", ["score"])
    op.create_index("inspections_request", "inspections", ["request_id"])
    for name in _GIVEN:
        _create_partial(f"inspections_{name}", [name, "at_us"], f"{name} IS NOT NULL")
    postgresql = op.get_bind().dialect.name == "postgresql"
    there, unpinned = ("picture", "NOT pinned") if postgresql else ("picture = 1", "pinned = 0")
    _create_partial("inspections_picture", ["sha256"], there)
    _create_partial("inspections_removable", ["at_us"], f"{there} AND {unpinned}")


def _create_review() -> None:
    inspection = sa.ForeignKey("inspections.id", ondelete="CASCADE")
    op.create_table(
        "judgements",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("inspection_id", _ID, inspection, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("judgement", sa.Text, nullable=False),
        sa.Column("kind", sa.Text),
        sa.Column("note", sa.Text),
    )
    op.create_index("judgements_inspection", "judgements", ["inspection_id"])
    op.create_index("judgements_reviewer", "judgements", ["reviewer", "at_us"])
    inspection = sa.ForeignKey("inspections.id", ondelete="CASCADE")
    op.create_table(
        "sightings",
        sa.Column("inspection_id", _ID, inspection, primary_key=True, autoincrement=False),
        sa.Column("reviewer", sa.Text, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    )


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", _ID, primary_key=True, autoincrement=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        *(
            sa.Column(name, sa.Text)
            for name in ("model", "version", "old", "new", "reason", "client")
        ),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )


def _create_partial(name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(
        name, "inspections", columns, sqlite_where=condition, postgresql_where=condition
    )
