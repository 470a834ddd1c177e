"""Recipes, parts of several views, and which view of which part an inspection is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("inspections", sa.Column("view", sa.Text))
    op.add_column("inspections", sa.Column("part_number", sa.BigInteger))
    op.create_table(
        "recipes",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("content", sa.Text),
        sa.UniqueConstraint("name", "revision", name="recipe_revision"),
    )
    op.create_table(
        "parts",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("part", sa.Text, nullable=False),
        sa.Column("recipe", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("began_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger, nullable=False),
        sa.Column("ended_by", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("score", sa.Float),
        sa.Column("view", sa.Text),
        sa.Column("station", sa.Text),
        sa.Column("lot", sa.Text),
        sa.Column("views", sa.Text, nullable=False),
        sa.UniqueConstraint("number", name="part_number"),
    )
    op.create_index("parts_part", "parts", ["part", "number"])
    op.create_index("parts_verdict", "parts", ["verdict", "number"])
    op.create_index("parts_recipe", "parts", ["recipe", "number"])
