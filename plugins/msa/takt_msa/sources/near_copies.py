"""What near-copies among the pictures of a study say of its placements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from takt_export.calibration.near_copies import find_near_copies
from takt_msa.study import StudyNote


def near_copy_notes(parts: Mapping[str, Sequence[Path]]) -> tuple[StudyNote, ...]:
    """Notes on parts that look alike, and on those that look the same in all their pictures.

    A part that is placed well looks nearly the same each time, so near-copies of one part count as
    trials; only who placed them knows whether they were. Near-copies of two parts may show one.

    Args:
        parts: pictures of each part, by its name.

    Raises:
        PicturesError: a picture cannot be read.
    """
    pictures = [path for of_part in parts.values() for path in of_part]
    looks = dict(zip(pictures, find_near_copies(pictures).number, strict=True))
    owners: dict[int, set[str]] = defaultdict(set)
    for part, of_part in parts.items():
        for path in of_part:
            owners[looks[path]].add(part)
    shared = sorted(" = ".join(sorted(names)) for names in owners.values() if len(names) > 1)
    alike = tuple(
        part
        for part, of_part in parts.items()
        if len(of_part) > 1 and len({looks[path] for path in of_part}) == 1
    )
    notes = []
    if shared:
        text = (
            "different parts that look nearly the same; if they are one part under several names, "
            "the study has fewer parts than it counts"
        )
        notes.append(StudyNote(text, tuple(shared), grave=True))
    if alike:
        text = (
            f"parts that look nearly the same in all their pictures: {len(alike)}; right if they "
            "were taken out and placed again each time, but frames of a burst and files that were "
            "saved again are no placements, and make the figures too good"
        )
        notes.append(StudyNote(text, alike))
    return tuple(notes)
