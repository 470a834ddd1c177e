"""What the pictures of a folder show, by the names of their files: for the server's record."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePath

from takt.core.domain import Labels
from takt.sources.capture import SourceError

LabelsOfFile = Callable[[str], Labels]
"""Says what a picture shows, by the name of its file."""

_LONGEST = 128
"""Characters of a label that the server takes."""
_MOST_TAGS = 16
_KNOWN = ("file", "part", "lot")


def file_labels(name: str) -> Labels:
    """The name of the file alone, as the tag `file`.

    >>> file_labels("S1054.jpg").tags
    (('file', 'S1054.jpg'),)
    """
    # A name of a file system may have what no label has.
    text = re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", "?", name)
    return Labels(tags=(("file", text[-_LONGEST:]),))


def by_pattern(pattern: re.Pattern[str]) -> LabelsOfFile:
    """Labels by a pattern for names without suffix; its groups are `part` and `lot`.

    >>> by_pattern(re.compile(r"(?P<lot>[^_]+)_(?P<part>.+)"))("L7_S1054.jpg").lot
    'L7'
    """

    def labels_of(name: str) -> Labels:
        known, found = file_labels(name), pattern.search(PurePath(name).stem)
        groups = found.groupdict() if found else {}
        return replace(known, part=groups.get("part") or None, lot=groups.get("lot") or None)

    return labels_of


def by_table(file: Path) -> LabelsOfFile:
    """Labels by a CSV file: its column `file` names the picture; other columns become tags.

    Raises:
        SourceError: the file cannot be read, has no column `file` or `part`, or has a label that
            the server would refuse.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines)
            if not {"file", "part"} <= set(rows.fieldnames or ()):
                raise SourceError(
                    f"{file} needs the columns file and part, named on its first line"
                )
            table = {row["file"]: _labels_of_row(file, rows.line_num, row) for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{file} cannot be read: {error}") from None

    def labels_of(name: str) -> Labels:
        of_file = file_labels(name)
        said = table.get(name) or table.get(PurePath(name).stem)
        return of_file if said is None else replace(said, tags=(*of_file.tags, *said.tags))

    return labels_of


def _labels_of_row(file: Path, line: int, row: dict[str, str]) -> Labels:
    if None in row or None in row.values():
        raise SourceError(f"{file}, line {line}, has another number of columns than the first line")
    texts = {name: text.strip() for name, text in row.items() if text.strip()}
    for name, text in texts.items():
        if len(text) > _LONGEST or not text.isprintable():
            raise SourceError(
                f"{file}, line {line}: {name} has more than {_LONGEST} characters, or some that "
                "cannot be printed"
            )
    tags = [pair for pair in texts.items() if pair[0] not in _KNOWN]
    if len(tags) >= _MOST_TAGS:
        raise SourceError(
            f"{file} has more than {_MOST_TAGS - 1} columns beside file, part and lot"
        )
    return Labels(part=texts.get("part"), lot=texts.get("lot"), tags=tuple(tags))
