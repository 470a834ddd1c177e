"""The file of a station: what it says, and what is wrong with it, by line.

[station]
name = "line3"
server = "http://127.0.0.1:8000"
recipe = 1

[cycle]
result_ms = 120

[plc]
port = 502

[cameras.top]
snapshot = "http://camera3/snapshot.jpg"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from takt.core.errors import TaktError
from takt_station.controllers import AnyControllerSection

_HEADER: Final = re.compile(r"\s*\[\s*([^\]]+?)\s*\]")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")
_AT: Final = re.compile(r"\(at line (\d+), column \d+\)")

Milliseconds = Annotated[float, Field(gt=0, le=600_000, allow_inf_nan=False)]


class StationFileError(TaktError):
    """The file of a station cannot be used."""

    code = "station_file"
    title = "File of a station"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StationSection(_Section):
    """Which station this is, and whom it asks."""

    # Ids of parts begin with it, and stand in the paths of the server.
    name: str = Field(
        pattern=r"^[^/\x00-\x1f\x7f]+$",
        max_length=100,
        description="Its name in the server's record.",
    )
    server: str = Field(
        pattern=r"^https?://[^/?#]+", description="URL of the server, `http://HOST:PORT`."
    )
    key_file: Path | None = Field(None, description="File with the server's API key.")
    cafile: Path | None = Field(
        None, description="PEM file of the authority that signed the server's certificate."
    )
    certfile: Path | None = Field(
        None,
        description="PEM file with a certificate and its private key, for a server that asks "
        "for one.",
    )
    recipe: int = Field(
        0, ge=0, le=65535, description="Number of the recipe at the start; 0 waits for the PLC's."
    )
    log: Path | None = Field(
        None, description="File to which each result is added, as a line of JSON."
    )


class CycleSection(_Section):
    """The times of the cycle."""

    result_ms: Milliseconds = Field(
        description="From the trigger's edge to the result, at most: the time that a part takes to "
        "the gate, less what the PLC needs. What is not known 3 ms before, or 5 % before where "
        "that is less, has no decision: a process may wake late."
    )
    picture_ms: Milliseconds = Field(
        description="From the trigger's edge to the picture, at most: the time for which a part is "
        "before the camera. A picture that comes later may be of the next part, and is not used."
    )
    heartbeat_ms: Milliseconds = Field(250, description="Between two counts of the heartbeat.")
    most_inspected: int = Field(
        4, ge=1, le=64, description="Parts that are inspected at a time; one more has no decision."
    )
    late_in_a_row: int = Field(
        3, ge=1, le=1000, description="Late verdicts one after another that are a fault."
    )


class CameraSection(_Section):
    """A camera, by the name of the view that it takes: a snapshot's address, or a source."""

    snapshot: str | None = Field(
        None, pattern=r"^https?://", description="Address that answers a GET with a picture."
    )
    source: str | None = Field(
        None,
        min_length=1,
        description="A webcam's number, an address such as `rtsp://…`, a folder or a video, as "
        "`takt watch` has them.",
    )
    lag_ms: float = Field(
        0,
        ge=0,
        le=60_000,
        description="Of a source that streams: the time from what it sees to the frame.",
    )

    @model_validator(mode="after")
    def _is_one(self) -> CameraSection:
        if (self.snapshot is None) == (self.source is None):
            raise ValueError("give snapshot or source, and not both")
        return self


class StationFile(_Section):
    """All that a file says."""

    station: StationSection
    cycle: CycleSection
    plc: AnyControllerSection = Field(default_factory=dict, validate_default=True)
    cameras: dict[str, CameraSection] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a file.

    Attributes:
        line: where, from 1 on.
        text: what, and what would be right.
    """

    line: int
    text: str


def read_station_file(path: Path) -> StationFile:
    """What a file says.

    Raises:
        StationFileError: it cannot be read, or is wrong; it names every mistake by its line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise StationFileError(f"{path} cannot be read: {reason}") from None
    found = parse_station(text)
    if isinstance(found, StationFile):
        return found
    raise StationFileError("\n".join(f"{path}:{one.line}: {one.text}" for one in found))


def parse_station(text: str) -> StationFile | tuple[Mistake, ...]:
    r"""What a file says, or every mistake in it.

    >>> parse_station("[station]\nname = 7")[-1]
    Mistake(line=2, text='station.name: input should be a valid string')
    """
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _AT.search(str(error))
        line = int(at[1]) if at else text.count("\n") + 1
        return (Mistake(line, f"this is no TOML: {_AT.sub('', str(error)).strip()}"),)
    try:
        return StationFile.model_validate(said)
    except ValidationError as error:
        mistakes = {
            Mistake(_line_of(text, [str(key) for key in one["loc"]]), _in_words(one["loc"], one))
            for one in error.errors()
        }
        return tuple(sorted(mistakes, key=lambda one: (one.line, one.text)))


def _in_words(place: Sequence[str | int], error: ErrorDetails) -> str:
    name = ".".join(str(key) for key in place)
    kind, said = error["type"], error["msg"]
    if kind == "extra_forbidden":
        return f"{name}: there is no such key here"
    if kind == "missing":
        return f"{name}: this is missing"
    said = said.removeprefix("Value error, ")
    return f"{name}: {said[0].lower()}{said[1:]}"


def _line_of(text: str, place: Sequence[str]) -> int:
    r"""The line of a key, of its section where the key is missing, or the first one.

    >>> _line_of("[a]\nx = 1\n[a.b]\ny = 2", ["a", "b", "y"])
    4
    """
    best, best_length = 1, 0
    section: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            section = [part.strip().strip("\"'") for part in header[1].split(".")]
            here = section
        elif key := _KEY.match(line):
            here = [*section, key[1]]
        else:
            continue
        if here == list(place[: len(here)]) and len(here) > best_length:
            best, best_length = number, len(here)
    return best
