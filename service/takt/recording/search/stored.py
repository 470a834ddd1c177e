"""An inspection as the record has it; what each of its fields means is declared here, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import UnionType
from typing import Annotated, Final, Literal, get_args, get_origin, get_type_hints

from takt.core.domain import Reason, Region, VerdictName, Witness

ColumnKind = Literal[
    "integer", "number", "truth", "text", "time", "texts", "regions", "tags", "reason"
]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a field is, and its unit where it has one."""

    text: str
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredInspection:
    """One inspection of the record.

    Each field is a column of every export and of the API's answers.
    """

    id: Annotated[int, Meaning("Number of the inspection in this record.")]
    at: Annotated[datetime, Meaning("When it was answered.", "UTC, to the µs")]
    model: Annotated[str, Meaning("Name of the model.")]
    version: Annotated[str, Meaning("Version of the model.")]
    digest: Annotated[str, Meaning("SHA-256 of the bundle that answered, in hex.")]
    engine: Annotated[str, Meaning("Engine that ran the graph, and where.")]
    variant: Annotated[str, Meaning("Variant of the bundle; empty for its reference graph.")]
    runtime: Annotated[str, Meaning("The engine's library and its version.")]
    processor: Annotated[str, Meaning("CPU or GPU that it ran on.")]
    request_id: Annotated[str, Meaning("Id of the request.")]
    protocol: Annotated[str, Meaning("Protocol by which the picture came: rest, stream or oip.")]
    caller: Annotated[str, Meaning("Who asked: the name of a key; empty where none was needed.")]
    anomalous: Annotated[
        bool,
        Meaning(
            "Whether it was rejected: the score exceeded its threshold, or the map its own, or the "
            "picture could not be judged."
        ),
    ]
    score: Annotated[float, Meaning("Anomaly score of the picture.")]
    threshold: Annotated[float, Meaning("Threshold of the score that was in force.")]
    pixel_threshold: Annotated[
        float, Meaning("Threshold of the map's values that was in force; regions exceed it.")
    ]
    percentile: Annotated[
        float | None, Meaning("Share of good calibration pictures that score no higher.", "%")
    ]
    regions: Annotated[
        tuple[Region, ...],
        Meaning(
            "Defects, the highest peak first: box (x, y, width, height), area and peak.",
            "px, px²",
        ),
    ]
    width: Annotated[int, Meaning("Width of the picture, upright.", "px")]
    height: Annotated[int, Meaning("Height of the picture, upright.", "px")]
    warnings: Annotated[tuple[str, ...], Meaning("What spoke against the answer, as codes.")]
    decode_ms: Annotated[float, Meaning("Time for decoding.", "ms")]
    preprocess_ms: Annotated[float, Meaning("Time for resizing.", "ms")]
    queue_ms: Annotated[float, Meaning("Time of waiting for an engine.", "ms")]
    engine_ms: Annotated[float, Meaning("Time in the engine.", "ms")]
    postprocess_ms: Annotated[float, Meaning("Time for verdict and regions.", "ms")]
    render_ms: Annotated[float, Meaning("Time for drawing the heatmap.", "ms")]
    total_ms: Annotated[float, Meaning("Time from the first byte to the answer.", "ms")]
    sha256: Annotated[
        str | None,
        Meaning("SHA-256 of the picture as it came, in hex; null where it was not held."),
    ]
    input_bytes: Annotated[int, Meaning("Size of the picture as it came.", "bytes")]
    input_format: Annotated[
        str,
        Meaning("Format of the picture: jpeg, png, bmp, webp, tiff; rgb8, bgr8, mono8 for pixels."),
    ]
    station: Annotated[str | None, Meaning("Station that the caller named.")]
    lot: Annotated[str | None, Meaning("Lot that the caller named.")]
    part: Annotated[str | None, Meaning("Part id that the caller named.")]
    tags: Annotated[Mapping[str, str], Meaning("Tags that the caller gave.")]
    kept: Annotated[
        str | None,
        Meaning(
            "Why the picture was to be kept: reject, near, sample, recent; null where it was not, "
            "or was recent and has gone."
        ),
    ]
    picture: Annotated[bool, Meaning("Whether the picture is kept now.")]
    pinned: Annotated[bool, Meaning("Whether the picture stays, however old it gets.")]
    judgement: Annotated[
        str | None, Meaning("The latest judgement: defect, good or unsure; null for none.")
    ]
    judged_at: Annotated[datetime | None, Meaning("When that was given.", "UTC, to the µs")]
    verdict: Annotated[VerdictName, Meaning("The verdict: good, defect or undecided.")]
    undecided: Annotated[
        Reason | None, Meaning("Why the picture could not be judged; null where it was.")
    ]
    view: Annotated[
        str | None,
        Meaning("View of the part, by its recipe; null where the picture was no view of one."),
    ]
    part_number: Annotated[
        int | None,
        Meaning("Number of the part whose view it is, which tells parts of one id apart."),
    ]
    witness: Annotated[
        Witness | None,
        Meaning(
            "What decided that it is a defect: score, or region where the map alone did; null "
            "where it is none."
        ),
    ]
    part_verdict: Annotated[
        VerdictName | None,
        Meaning("Verdict on the part whose view it is; null until it has its result."),
    ]
    part_reason: Annotated[
        str | None,
        Meaning("Why that part is undecided: missing_view or undecided; null where it is not."),
    ]
    part_decided_by: Annotated[
        str | None, Meaning("View that decided on that part; null where all are good.")
    ]
    part_witness: Annotated[
        Witness | None,
        Meaning(
            "What decided that this view is a defect, as witness; null where the part is none."
        ),
    ]


@dataclass(frozen=True, slots=True)
class Column:
    """One field of `StoredInspection`, as exports and documents have it.

    Attributes:
        name: of the field.
        kind: of its values.
        optional: whether it may be null.
        meaning: what it is, as a sentence.
        unit: of its values; empty for none.
    """

    name: str
    kind: ColumnKind
    optional: bool
    meaning: str
    unit: str


_KINDS: Final[dict[object, ColumnKind]] = {
    int: "integer",
    float: "number",
    bool: "truth",
    str: "text",
    VerdictName: "text",
    Witness: "text",
    datetime: "time",
    tuple[str, ...]: "texts",
    tuple[Region, ...]: "regions",
    Mapping[str, str]: "tags",
    Reason: "reason",
}


def _column(name: str, hint: object) -> Column:
    kind, meaning = get_args(hint)
    optional = get_origin(kind) is UnionType or type(None) in get_args(kind)
    if optional:
        (kind,) = (one for one in get_args(kind) if one is not type(None))
    return Column(name, _KINDS[kind], optional, meaning.text, meaning.unit)


def columns_of(kind: type) -> tuple[Column, ...]:
    """The fields of a class, each `Annotated` with its meaning, in their order."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(_column(name, hint) for name, hint in hints.items())


COLUMNS: Final = columns_of(StoredInspection)
"""The columns, in the order of `StoredInspection`."""
