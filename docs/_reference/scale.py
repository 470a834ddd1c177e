"""The plans of docs/scale.md: each number from measured figures, by arithmetic that is shown."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from docs._reference.markdown import table

DAY_S = 86_400
PROCESS_PER_S = 2_715
"""Pictures that one process answers where the model costs nothing, 256 × 256."""
AROUND_MS = 4.2
"""Of a core, for a JPEG of 1280 × 960 beside the model: HTTP, reduced decoding, resizing, JSON."""
JPEG_BYTES = 334_000
RAW_BYTES = 1280 * 960 * 3
ROW_BYTES, POSTGRESQL_ROW_BYTES = 690, 939
POSTGRESQL_ROWS_PER_S = 10_000
LOG_BYTES = 530
SERIES = 335
PROCESS_MIB = 257
LOAD = 0.7
"""Share of the cores that is planned for."""

_ENGINES = "[engines](../benchmarks/engines.md)"
_PEERS = "[serving systems](../benchmarks/peers)"
_OPERATIONS = "[operations](operations.md#sizing)"
_RECORD = "[the record](record.md)"


@dataclass(frozen=True)
class Model:
    """A model on a core.

    Attributes:
        name: in the tables.
        per_core: pictures a second.
        source: how they were measured.
    """

    name: str
    per_core: float
    source: str

    @property
    def core_ms(self) -> float:
        """Of a core, for a picture and all around it."""
        return 1000 / self.per_core + AROUND_MS


BANK = Model("bank", 48 / 2, "320², served, two Xeon cores: 48/s ([banks](fitting-patchcore.md))")
INT8 = Model(
    "EfficientAD-S in 8 bits", 30.3 / 2, f"256², served, two Zen 5 cores: 30.3/s ({_ENGINES})"
)
MODELS = (
    BANK,
    INT8,
    Model(
        "EfficientAD-S in float32", 8.57 / 2, f"256², engine alone, the same: 8.57/s ({_ENGINES})"
    ),
    Model(
        "INP-Former-S in 8 bits",
        21.0 / 2,
        f"392², engine alone, two Xeon cores with AMX: 21/s ({_ENGINES})",
    ),
)


@dataclass(frozen=True)
class Line:
    """Cameras on one trigger.

    Attributes:
        cameras: each takes one picture of a part.
        parts_per_s: of the line.
        cycle_ms: within which the last picture of a part must be answered.
        link_mbit_s: of the network between cameras and server.
    """

    cameras: int
    parts_per_s: float
    cycle_ms: float
    link_mbit_s: float

    @property
    def per_s(self) -> float:
        """Pictures a second."""
        return self.cameras * self.parts_per_s

    @property
    def sent_ms(self) -> float:
        """Time that the pictures of one part take on the network."""
        return self.cameras * JPEG_BYTES * 8 / (self.link_mbit_s * 1000)

    def cores_for_rate(self, model: Model) -> int:
        """So that the rate is `LOAD` of what they can do."""
        return math.ceil(self.per_s * model.core_ms / 1000 / LOAD)

    @property
    def left_ms(self) -> float:
        """Of the cycle, once all pictures of a part are there."""
        return self.cycle_ms - self.sent_ms

    def in_turn(self, model: Model) -> int:
        """Pictures that a core answers one after another within what is left."""
        return int(self.left_ms / model.core_ms)

    def cores_for_burst(self, model: Model) -> int:
        """So that all pictures of a part are answered within the cycle."""
        return math.ceil(self.cameras / self.in_turn(model))

    def cores(self, model: Model) -> int:
        """For both."""
        return max(self.cores_for_rate(model), self.cores_for_burst(model))


FORTY = Line(cameras=40, parts_per_s=1, cycle_ms=500, link_mbit_s=1000)
FOUR = Line(cameras=4, parts_per_s=2, cycle_ms=250, link_mbit_s=1000)
LINES = 50
WAVES = (1, 4, 15, 30)
"""Lines of each wave of a release."""
NODE_CORES = 16


def figures() -> str:
    """What the plans rest on."""
    rows = [(f"{model.name}, pictures a second and core", f"{model.per_core:.1f}", model.source)
            for model in MODELS]  # fmt: skip
    rows += [
        ("what a picture of 1280 × 960 costs beside the model", f"{AROUND_MS} ms of a core",
         f"a model that costs nothing, 32 clients, two Zen 5 cores ({_PEERS})"),
        ("pictures a second of one process, model for nothing", f"{PROCESS_PER_S:,}",
         "256², one stream, two Zen 5 cores ([real time](../benchmarks/realtime.md))"),
        ("a JPEG of 1280 × 960, quality 90", f"{JPEG_BYTES // 1000} kB", _PEERS),
        ("the same as raw pixels", f"{RAW_BYTES / 1e6:.2f} MB", "1280 × 960 × 3"),
        ("a row of the record, SQLite / PostgreSQL", f"{ROW_BYTES} / {POSTGRESQL_ROW_BYTES} bytes",
         _RECORD),
        ("rows a second into PostgreSQL", f"{POSTGRESQL_ROWS_PER_S:,}", _RECORD),
        ("a JSON line of the request log", f"{LOG_BYTES} bytes", _OPERATIONS),
        ("series of a server with one model", f"{SERIES}", "counted on `/metrics`"),
        ("memory of a process after pictures", f"{PROCESS_MIB} MiB",
         f"EfficientAD-S on ONNX Runtime ({_ENGINES})"),
    ]  # fmt: skip
    return table(["figure", "value", "from"], rows)


def one_line() -> str:
    """Forty cameras on one line: what does not depend on the model."""
    line = FORTY
    per_day = line.per_s * DAY_S
    rows = [
        ("pictures", f"{line.cameras} × {line.parts_per_s:g}/s", f"{line.per_s:g}/s"),
        ("of what one process can do", f"{line.per_s:g} / {PROCESS_PER_S:,}",
         _percent(line.per_s / PROCESS_PER_S, 1)),
        ("network, JPEG", f"{line.per_s:g}/s × {JPEG_BYTES // 1000} kB × 8",
         f"{_mbit_s(line.per_s * JPEG_BYTES)} Mbit/s"),
        ("network, raw pixels", f"{line.per_s:g}/s × {RAW_BYTES / 1e6:.2f} MB × 8",
         f"{_mbit_s(line.per_s * RAW_BYTES)} Mbit/s"),
        ("a part's pictures on the wire", f"{line.cameras} × {JPEG_BYTES // 1000} kB × 8 / "
         f"{line.link_mbit_s:g} Mbit/s", f"{line.sent_ms:.0f} ms"),
        ("left of the cycle", f"{line.cycle_ms:g} − {line.sent_ms:.0f} ms",
         f"{line.left_ms:.0f} ms"),
        ("rate that a GPU needs for that", f"{line.cameras} / {line.left_ms:.0f} ms",
         f"{1000 * line.cameras / line.left_ms:.0f}/s"),
        ("rows of the record", f"{line.per_s:g}/s × {DAY_S:,} s × {ROW_BYTES} bytes",
         f"{_gb(per_day * ROW_BYTES)} GB a day"),
        ("in 400 days, and in 30", f"{_gb(per_day * ROW_BYTES)} GB × 400, × 30",
         f"{400 * per_day * ROW_BYTES / 1e9:.0f} GB, {30 * per_day * ROW_BYTES / 1e9:.0f} GB"),
        ("kept pictures, if 1 % are rejected and kept",
         f"{line.per_s:g}/s × 1 % × {DAY_S:,} s × {JPEG_BYTES // 1000} kB",
         f"{_gb(per_day * 0.01 * JPEG_BYTES)} GB a day"),
        ("request log", f"{line.per_s:g}/s × {DAY_S:,} s × {LOG_BYTES} bytes",
         f"{_gb(per_day * LOG_BYTES)} GB a day"),
    ]  # fmt: skip
    return table(["", "arithmetic", "result"], rows)


def line_cores() -> str:
    """The same line's cores, by model."""
    line = FORTY
    return table(
        ["model", "a picture", "cores for the rate", "cores for the burst", "take"],
        [
            (
                model.name,
                f"{1000 / model.per_core:.1f} + {AROUND_MS} = {model.core_ms:.1f} ms",
                f"{line.per_s:g}/s × {model.core_ms:.1f} ms / {LOAD} = {_rate(line, model)}",
                _burst(line, model),
                str(line.cores(model)),
            )
            for model in MODELS
        ],
    )


def plant() -> str:
    """Fifty lines: beside each line, or in one place."""
    return table(["", "a server at each line", "servers in one place"], _plant_rows())


def _plant_rows() -> Iterator[tuple[str, str, str]]:
    line, model = FOUR, INT8
    per_s = LINES * line.per_s
    each = line.cores(model)
    cores = per_s * model.core_ms / 1000 / LOAD
    nodes = math.ceil(cores / NODE_CORES)
    node_per_s = NODE_CORES * 1000 / model.core_ms
    yield (
        "pictures",
        f"{line.cameras} × {line.parts_per_s:g}/s = {line.per_s:g}/s",
        f"{LINES} × {line.per_s:g}/s = {per_s:g}/s",
    )
    yield (
        "network",
        f"{line.per_s:g}/s × {JPEG_BYTES // 1000} kB × 8 = "
        f"{_mbit_s(line.per_s * JPEG_BYTES)} Mbit/s, within the line",
        f"{per_s:g}/s × {JPEG_BYTES // 1000} kB × 8 = "
        f"{_mbit_s(per_s * JPEG_BYTES)} Mbit/s into one place: 10 Gbit/s",
    )
    yield (
        "cores",
        f"rate {_rate(line, model)}, burst {_burst(line, model)}: {each}, {LINES * each} in all",
        f"{per_s:g}/s × {model.core_ms:.1f} ms / {LOAD} = {cores:.0f}: {nodes} nodes of "
        f"{NODE_CORES} and one to spare, {(nodes + 1) * NODE_CORES} in all",
    )
    yield (
        "processes",
        f"one: {line.per_s:g}/s of {PROCESS_PER_S:,}",
        f"one a node: {NODE_CORES} / {model.core_ms:.1f} ms = {node_per_s:.0f}/s of "
        f"{PROCESS_PER_S:,}",
    )
    yield (
        "memory",
        f"{PROCESS_MIB} MiB and `max_memory_mb`",
        "the same, on each node",
    )
    yield (
        "the record",
        f"SQLite: {line.per_s:g}/s × {DAY_S:,} s × {ROW_BYTES} bytes = "
        f"{line.per_s * DAY_S * ROW_BYTES / 1e6:.0f} MB a day",
        f"PostgreSQL: {per_s:g}/s of {POSTGRESQL_ROWS_PER_S:,} = "
        f"{_percent(per_s / POSTGRESQL_ROWS_PER_S)}; {per_s:g}/s × {DAY_S:,} s × "
        f"{POSTGRESQL_ROW_BYTES} bytes = {_gb(per_s * DAY_S * POSTGRESQL_ROW_BYTES)} GB a day",
    )
    yield (
        "metrics, every 15 s",
        f"{LINES} × {SERIES} = {LINES * SERIES:,} series, "
        f"{LINES * SERIES / 15:,.0f} samples a second",
        f"{nodes + 1} × {SERIES} = {(nodes + 1) * SERIES:,} series, and more with each model",
    )
    yield (
        "if a server is lost",
        "one line stands, unless it has a second one",
        f"{per_s:g}/s over {nodes} nodes: {_percent(cores * LOAD / nodes / NODE_CORES)} "
        "of their cores",
    )


def waves() -> str:
    """What a wave of a release can show within an hour."""
    good = 0.01
    rows, before = [], 0
    for number, lines in enumerate(WAVES, 1):
        pictures = lines * FOUR.per_s * 3600
        rise = 3 * math.sqrt(2 * good * (1 - good) / pictures)
        rows.append(
            (
                str(number),
                f"{lines}, {before + lines} in all",
                f"{lines} × {FOUR.per_s:g}/s × 3,600 s = {pictures:,.0f}",
                f"3 × √(2 × 0.01 × 0.99 / {pictures:,.0f}) = {_percent(rise, 2)}",
            )
        )
        before += lines
    assert before == LINES
    return table(["wave", "lines", "pictures in an hour", "rise of the rejects that shows"], rows)


def _rate(line: Line, model: Model) -> str:
    return f"{line.per_s * model.core_ms / 1000 / LOAD:.1f}"


def _burst(line: Line, model: Model) -> str:
    turns = line.in_turn(model)
    return (
        f"{line.left_ms:.0f} / {model.core_ms:.1f} ms: {turns} in turn; "
        f"{line.cameras} / {turns} = {line.cameras / turns:.1f}"
    )


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"


def _mbit_s(bytes_per_s: float) -> str:
    return f"{bytes_per_s * 8 / 1e6:,.0f}"


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f}"
