"""The tables of the record, in SQLite and PostgreSQL alike.

A column that is new here needs a revision in `migrations/versions/` as well; a test compares them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    and_,
)

metadata = MetaData()

_Id = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself in a column of this very type alone."""

sources = Table(
    "sources",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("variant", Text, nullable=False, server_default=""),
    Column("runtime", Text, nullable=False),
    Column("processor", Text, nullable=False),
    UniqueConstraint(
        "model", "version", "digest", "engine", "variant", "runtime", "processor", name="source"
    ),
)
"""What has answered: a bundle by its digest, on an engine of a version, on a processor."""

inspections = Table(
    "inspections",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("source_id", _Id, ForeignKey("sources.id"), nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("anomalous", Boolean, nullable=False),
    Column("score", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("pixel_threshold", Float, nullable=False),
    Column("percentile", Float),
    Column("regions", Text),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("warnings", Text),
    Column("decode_ms", Float, nullable=False),
    Column("preprocess_ms", Float, nullable=False),
    Column("queue_ms", Float, nullable=False),
    Column("engine_ms", Float, nullable=False),
    Column("postprocess_ms", Float, nullable=False),
    Column("render_ms", Float, nullable=False),
    Column("total_ms", Float, nullable=False),
    Column("sha256", LargeBinary(32)),
    Column("input_bytes", Integer, nullable=False),
    Column("input_format", Text, nullable=False),
    Column("station", Text),
    Column("part", Text),
    Column("lot", Text),
    Column("tags", Text),
    Column("kept", Text),
    Column("picture", Boolean, nullable=False, server_default="0"),
    Column("pinned", Boolean, nullable=False, server_default="0"),
    Column("judgement", Text),
    Column("judged_at_us", BigInteger),
    Column("undecided", Text),
    Column("facts", LargeBinary),
    Column("view", Text),
    Column("part_number", BigInteger),
)
"""One row for each picture that was answered.

- at_us: time of the answer, in µs of Unix time.
- model, version: those of the source, once more, to be searched by.
- regions: JSON as in the answer; null for none. tags: a JSON object of texts; null for none.
- warnings: codes with commas between; null for none.
- sha256: of the picture's bytes as they came; null where they could not be held until then.
- input_format: jpeg, png, bmp, webp, tiff or unknown; rgb8, bgr8 or mono8 for raw pixels, whose
  kept picture is a PNG.
- kept: why the picture was to be kept: reject, near, sample, recent; null where it was not. It
  stays where the picture goes, as figures need to know how pictures were chosen; but a recent one
  was chosen by nothing, and becomes null, so that the index of this column has what is there.
- picture: whether the picture is there.
- judgement: the latest one of `judgements`; null for none.
- undecided: why the picture could not be judged, JSON as in the answer; null where it was judged.
- facts: of the picture, each four bytes as `takt.core.pictures.facts` lists them, the lowest
  byte first; null where the bundle has none of good ones.
- view: of the part, by its recipe; part_number: the part's `number` in `parts`. Null where the
  picture did not come as a view of a part.
"""


def _where(condition: ColumnElement[bool], name: str, *columns: str) -> Index:
    """An index of those rows alone that meet a condition."""
    return Index(
        f"inspections_{name}",
        *(inspections.c[column] for column in columns),
        sqlite_where=condition,
        postgresql_where=condition,
    )


def _where_given(name: str) -> Index:
    """An index, by time, of a column that most rows leave empty."""
    return _where(inspections.c[name].is_not(None), name, name, "at_us")


Index("inspections_at", inspections.c.at_us, inspections.c.score)
Index("inspections_model", inspections.c.model, inspections.c.at_us)
Index("inspections_version", inspections.c.model, inspections.c.version, inspections.c.at_us)
Index("inspections_verdict", inspections.c.anomalous, inspections.c.at_us)
Index("inspections_score", inspections.c.score, inspections.c.at_us)
Index("inspections_request", inspections.c.request_id)
_where_given("judgement")
_where_given("station")
_where_given("lot")
_where_given("part")
# For a picture that comes back, such as a customer's: whether or not it was kept.
_where_given("sha256")
_where(inspections.c.undecided.is_not(None), "undecided", "at_us")
# The calendar of a review counts in this index alone.
_where(inspections.c.kept.is_not(None), "kept", "kept", "at_us", "judgement")
# What three kinds of people ask most: a shift for the rejects of its station, whoever answers for
# a lot for the lot's, and a reviewer for a model's defects, or for what nobody has judged yet.
_where(inspections.c.station.is_not(None), "station_verdict", "station", "anomalous", "at_us")
_where(inspections.c.lot.is_not(None), "lot_verdict", "lot", "anomalous", "at_us")
_where(inspections.c.judgement.is_not(None), "model_judgement", "model", "judgement", "at_us")
_where(inspections.c.judgement.is_(None), "model_unjudged", "model", "at_us")
_where(inspections.c.judgement.is_(None), "unjudged", "at_us")
# By number, as a row's date may be a wrong clock's; the table itself has many more rows.
_where(and_(inspections.c.picture, ~inspections.c.pinned), "removable", "id")
_where(inspections.c.picture, "picture", "sha256")

judgements = Table(
    "judgements",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("inspection_id", _Id, ForeignKey("inspections.id", ondelete="CASCADE"), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("judgement", Text, nullable=False),
    Column("kind", Text),
    Column("note", Text),
    Column("box", Text),
    Index("judgements_inspection", "inspection_id"),
    Index("judgements_reviewer", "reviewer", "at_us"),
)
"""What people said of an inspection: defect, good or unsure, and of what kind; all are kept.

- box: JSON as in the answer's regions, where the defect is in the upright picture; null for none.
"""

sightings = Table(
    "sightings",
    metadata,
    Column(
        "inspection_id",
        _Id,
        ForeignKey("inspections.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("reviewer", Text, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
)
"""Who has looked at which inspection, and when first."""

audit = Table(
    "audit",
    metadata,
    Column("seq", _Id, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("server", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("model", Text),
    Column("version", Text),
    Column("old", Text),
    Column("new", Text),
    Column("reason", Text),
    Column("client", Text),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
"""Every change, chained: each entry's hash covers the hash before it."""

watched = Table(
    "watched",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("station", Text, primary_key=True),
    Column("version", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
)
"""How far each stream of pictures, of one model at one station, speaks for a change.

- kind: stream; or promise, for what a model rejects at all stations together.
- station: empty for pictures without one.
- digest: of the bundle that it is held against; another one begins anew.
- seen: number of pictures since then.
- state: what the tests remember (`takt.watching`).
"""

watch_progress = Table(
    "watch_progress",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("began_id", _Id, nullable=False),
    Column("inspection_id", _Id, nullable=False),
    Column("mark_id", _Id, nullable=False),
)
"""The numbers up to which every inspection and every mark was seen; one row, written with
`watched`.

- began_id: the inspection after which the watch began.
"""

alarms = Table(
    "alarms",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("station", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("since_id", _Id, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("raised_id", _Id, nullable=False),
    Column("raised_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("acknowledged_us", BigInteger),
    Column("acknowledged_by", Text),
    Column("note", Text),
    Column("snoozed_until_us", BigInteger),
    Index("alarms_raised", "raised_us"),
)
"""What the watch has found, one row for each cause; none is removed.

- cause: camera, defects, or promise. what: JSON of what speaks for it.
- since: the inspection from which on it seems to have begun; raised: the one that told.
- ended_us: when the pictures were as usual again, or the model was another.
"""

marks = Table(
    "marks",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("station", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("inspection_id", _Id, nullable=False),
    Index("marks_at", "at_us"),
)
"""What people did at a line: maintenance, or a shift that began; to be seen beside alarms.

- station: empty for all of them.
- inspection_id: the newest inspection then, after which a watch begins anew.
"""

recipes = Table(
    "recipes",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("reason", Text),
    Column("content", Text),
    UniqueConstraint("name", "revision", name="recipe_revision"),
)
"""Every revision of each recipe, as parts name them; none is removed.

- content: JSON of what it says; null where the recipe was removed.
"""

parts = Table(
    "parts",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("part", Text, nullable=False),
    Column("recipe", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("began_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger, nullable=False),
    Column("ended_by", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("reason", Text),
    Column("score", Float),
    Column("view", Text),
    Column("station", Text),
    Column("lot", Text),
    Column("views", Text, nullable=False),
    Column("tags", Text),
    UniqueConstraint("number", name="part_number"),
    Index("parts_part", "part", "number"),
    Index("parts_verdict", "verdict", "number"),
    Index("parts_recipe", "recipe", "number"),
    Index("parts_ended", "ended_us"),
)
"""Parts of several views that have their result, one row for each.

- number: tells parts of one id apart; a later part has a higher one. Each inspection of a view has
  it, too.
- ended_by: views, end, deadline or closing.
- reason: why it is undecided; null where it is not.
- score: the highest one of its views, 1 at their thresholds; view: whose that is.
- views: JSON, what became of each view of the recipe.
- tags: a JSON object of texts, as the first view says; null for none.
"""
