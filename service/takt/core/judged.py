"""Pictures that people judged, as a folder: `good`, `defect`, and a line about each picture.

    <folder>/good/…                 pictures of good parts
    <folder>/defect/…               pictures of defects
    <folder>/judgements.jsonl       a `JudgedFile` on each line

The record writes such folders, and a learning reads them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BeforeValidator, TypeAdapter, ValidationError

from takt.core.domain import PICTURE_SUFFIXES, UNREAD, UNREAD_SUFFIXES, Box, box_json
from takt.core.errors import ConfigurationError

LINES: Final = "judgements.jsonl"
"""Name of the file in the folder of judged pictures."""

JudgedWord = Literal["good", "defect"]
WORDS: Final[tuple[JudgedWord, ...]] = ("good", "defect")
"""What a picture may have been judged; the folders of the pictures are named so as well."""

_LONGEST_LINE: Final = 65_536
_HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedFile:
    """One picture of the folder, and what was said of it; its fields stand in a line's order.

    >>> one = JudgedFile(file="good/a.png", sha256="0a" * 32, judgement="good")
    >>> one.box is None, one.line()[:29]
    (True, b'{"file":"good/a.png","sha256"')

    Attributes:
        file: path below the folder, with slashes.
        sha256: of the file, in hex.
        inspection: number in the record; None where a picture comes from elsewhere.
        judgement_id: number of the judgement in the record; a later one has a higher number.
        judgement: what the part is.
        kind: of the defect, if somebody has named it.
        box: where the defect is, in pixels of the upright picture, if somebody has marked it.
        reviewer: who has judged it, if known.
        judged_at: when, in UTC, if known.
        model: whose inspection it was, if known.
        version: of that model.
        disputed: whether another reviewer says the opposite; a learning leaves it out.
    """

    file: _Text
    sha256: _Digest
    inspection: _Number | None = None
    judgement_id: _Number | None = None
    judgement: _Word
    kind: _Text | None = None
    box: _Box | None = None
    reviewer: _Text | None = None
    judged_at: _Time | None = None
    model: _Text | None = None
    version: _Text | None = None
    disputed: _Truth = False

    def line(self) -> bytes:
        """The picture's line of `judgements.jsonl`, with its end."""
        other_forms = {
            "box": None if self.box is None else box_json(self.box),
            "judged_at": None if self.judged_at is None else _time_text(self.judged_at),
        }
        return orjson.dumps(asdict(self) | other_forms, option=orjson.OPT_APPEND_NEWLINE)


def read_judged(folder: Path) -> tuple[JudgedFile, ...]:
    """The judged pictures of a folder.

    Where the folder has no `judgements.jsonl`, whatever lies in `good` is good, whatever lies in
    `defect` is a defect, and a folder below `defect` is named by the kind of its defects. Fields
    that are not known are passed over. The pictures are not opened: whoever does may compare the
    hash, and the box with the picture's size.

    Args:
        folder: of the pictures.

    Raises:
        ConfigurationError: there is no such folder, or nothing in it; a line cannot be read, names
            a file outside the folder or one that is missing; says which and what to do.
    """
    try:
        found = tuple(_read_lines(folder) if (folder / LINES).is_file() else _by_place(folder))
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or folder} cannot be read: {error.strerror}"
        ) from error
    if not found:
        raise ConfigurationError(
            f"{folder} has no judged pictures; it needs pictures in {folder / 'good'} or "
            f"{folder / 'defect'}, as `takt records export --folder` writes them"
        )
    return found


def _read_lines(folder: Path) -> Iterator[JudgedFile]:
    seen: dict[str, int] = {}
    with (folder / LINES).open("rb") as lines:
        number = 0
        while line := lines.readline(_LONGEST_LINE):
            number += 1
            if not line.strip():
                continue
            try:
                picture = _picture_of(line)
                _check_place(folder, picture.file)
                if (first := seen.setdefault(picture.file, number)) != number:
                    raise ValueError(f"file: {picture.file} has line {first} already")
            except ValueError as error:
                raise ConfigurationError(
                    f"{folder / LINES}, line {number}: {error}; correct or remove this line, or "
                    "write the folder anew with `takt records export --folder`"
                ) from None
            yield picture


def _picture_of(line: bytes) -> JudgedFile:
    """The picture of a line.

    Raises:
        ValueError: says which field is not as it should be.
    """
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"it is no JSON ({error})") from None
    if not isinstance(fields, dict):
        raise ValueError("it is no JSON object")
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        picture = _JUDGED.validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        name, wrong = first["loc"][0], first.get("ctx")
        raise ValueError(f"{name}: {wrong['error']}" if wrong else f"{name} is missing") from None
    if picture.judgement == "good" and (picture.kind is not None or picture.box is not None):
        raise ValueError("a good part has neither a kind nor a box of a defect")
    return picture


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("it is no text of one line")
    return value


def _digest(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 64 or not _HEX.issuperset(value):
        raise ValueError("it is no SHA-256 in hex, 64 digits")
    return value


def _word(value: Any) -> JudgedWord:
    for word in WORDS:
        if value == word:
            return word
    raise ValueError("it is neither good nor defect")


def _number(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError("it is no number of 1 or more")
    return value


def _box(value: Any) -> Box:
    whole = isinstance(value, list) and len(value) == 4 and all(type(one) is int for one in value)
    if not whole or min(value[:2]) < 0 or min(value[2:]) < 1:
        raise ValueError("it is not [x, y, width, height] in whole pixels of the picture")
    return Box(*value)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("it is neither true nor false")
    return value


def _time(value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (OverflowError, TypeError, ValueError):
        pass
    raise ValueError("it is no time such as 2026-03-01T12:00:00Z")


_Text = Annotated[str, BeforeValidator(_text)]
_Digest = Annotated[str, BeforeValidator(_digest)]
_Word = Annotated[JudgedWord, BeforeValidator(_word)]
_Number = Annotated[int, BeforeValidator(_number)]
_Box = Annotated[Box, BeforeValidator(_box)]
_Truth = Annotated[bool, BeforeValidator(_truth)]
_Time = Annotated[datetime, BeforeValidator(_time)]
_JUDGED = TypeAdapter(JudgedFile)


def _time_text(at: datetime) -> str:
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _check_place(folder: Path, file: str) -> None:
    """Refuse a path that leaves the folder, also by a link, or that no file has.

    Raises:
        ValueError: says why.
    """
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or "\\" in file:
        raise ValueError(f"file: {file} leaves the folder; name a path below it")
    place = folder / path
    if not place.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"file: {file} is a link that leaves the folder; put the picture there")
    if not place.is_file():
        raise ValueError(f"file: there is no picture {file} in the folder")


def _by_place(folder: Path) -> Iterator[JudgedFile]:
    """The pictures of a folder that has no lines, by where they lie."""
    for word in WORDS:
        for path in sorted((folder / word).rglob("*")):
            below = path.relative_to(folder / word)
            hidden = any(part.startswith(".") for part in below.parts)
            if path.suffix.lower() in UNREAD_SUFFIXES and not hidden:
                raise ConfigurationError(f"{path}: {UNREAD}")
            if hidden or path.suffix.lower() not in PICTURE_SUFFIXES or not path.is_file():
                continue
            file = path.relative_to(folder).as_posix()
            try:
                file.encode()
            except UnicodeEncodeError:
                raise ConfigurationError(
                    f"{file!r} in {folder} is no name in UTF-8, as the lines of judged pictures "
                    "have it: rename that file or folder"
                ) from None
            yield JudgedFile(
                file=file,
                sha256=_sha256_of(path),
                judgement=word,
                kind=below.parts[0] if word == "defect" and len(below.parts) > 1 else None,
            )


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
