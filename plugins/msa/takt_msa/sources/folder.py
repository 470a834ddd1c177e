"""A folder with repeated placements of reference parts: which picture shows which part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from takt_export.pictures import is_picture, read_picture, relative_name
from takt_models.checkpoints.picture_digest import picture_digest
from takt_msa.errors import MsaError
from takt_msa.sources.near_copies import near_copy_notes
from takt_msa.study import StudyNote

GOOD, DEFECT = "good", "defect"
LAYOUT = (
    "good/PART/PICTURE and defect/PART/PICTURE, each picture one placement, or good/PART_TRIAL.png "
    "and defect/PART_TRIAL.png"
)


@dataclass(frozen=True)
class PlacedPart:
    """A reference part and the pictures of its placements.

    Attributes:
        name: unique in the folder.
        defective: the reference, by the folder's name.
        pictures: one for each placement, sorted.
    """

    name: str
    defective: bool
    pictures: tuple[Path, ...]


@dataclass(frozen=True)
class PlacedParts:
    """Reference parts of a folder, each placement once.

    Attributes:
        root: the folder.
        parts: sorted, the good ones first.
        notes: pictures that are no placements of their own.
    """

    root: Path
    parts: tuple[PlacedPart, ...]
    notes: tuple[StudyNote, ...] = ()


def read_placements(root: Path, seen: Collection[str] = ()) -> PlacedParts:
    """The parts in a folder, each picture of a part once, with notes on what speaks against them.

    Args:
        root: the folder.
        seen: `picture_digest` of each picture that the fit has seen, as far as is known.

    Raises:
        MsaError: the folder has another layout, a part is in both folders, or two parts have the
            same picture.
        PicturesError: a picture cannot be read.
    """
    placed = without_repeated_files(read_folder(root))
    pictures = {part.name: part.pictures for part in placed.parts}
    notes = (*placed.notes, *_seen_notes(placed, seen), *near_copy_notes(pictures))
    return replace(placed, notes=notes)


def read_folder(root: Path) -> PlacedParts:
    """The parts in a folder with `good` and `defect`, as its files have them.

    Raises:
        MsaError: the folder has another layout, or a part in both folders.
    """
    here = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    shown = [name for name in here if not name.startswith(".")]
    if set(shown) != {GOOD, DEFECT}:
        found = ", ".join(shown) or "no folders"
        raise MsaError(
            f"{root} has {found}; a study of a folder needs good and defective reference parts as "
            f"{LAYOUT}"
        )
    parts = {label: _parts_in(root / label) for label in (GOOD, DEFECT)}
    both = sorted(parts[GOOD].keys() & parts[DEFECT].keys())
    if both:
        raise MsaError(
            f"in good and in defect: {_some(both)}; a part has one reference, so take it out of "
            "one of the two folders, or give different parts different names"
        )
    for label, found_here in parts.items():
        if not found_here:
            raise MsaError(
                f"{root / label} holds no pictures; a study needs good and defective parts"
            )
    return PlacedParts(
        root,
        tuple(
            PlacedPart(name, label == DEFECT, tuple(sorted(pictures)))
            for label in (GOOD, DEFECT)
            for name, pictures in sorted(parts[label].items())
        ),
    )


def without_repeated_files(placed: PlacedParts) -> PlacedParts:
    """The same with each picture of a part once; a note names those that repeat another.

    Pictures are the same if their pixels are, whatever the files' names and formats.

    Raises:
        MsaError: two parts have the same picture.
        PicturesError: a picture cannot be read.
    """
    first: dict[bytes, tuple[str, Path]] = {}
    parts, repeated = [], []
    for part in placed.parts:
        kept = []
        for path in part.pictures:
            owner, earlier = first.setdefault(_digest(path), (part.name, path))
            if owner != part.name:
                raise MsaError(
                    f"{path} is the same picture as {earlier}, which is of another part; a picture "
                    "shows one part, so take it out of one of the two"
                )
            if earlier == path:
                kept.append(path)
            else:
                name = relative_name(path, placed.root)
                repeated.append(f"{name} (as {earlier.name})")
        parts.append(replace(part, pictures=tuple(kept)))
    if not repeated:
        return placed
    note = StudyNote(
        f"pictures that repeat another one pixel by pixel, counted once: {len(repeated)}; "
        "repeating a file is not repeating a placement",
        tuple(repeated),
        grave=True,
    )
    return replace(placed, parts=tuple(parts), notes=(*placed.notes, note))


def _seen_notes(placed: PlacedParts, seen: Collection[str]) -> tuple[StudyNote, ...]:
    found = tuple(
        relative_name(path, placed.root)
        for part in placed.parts
        for path in part.pictures
        if picture_digest(path) in seen
    )
    if not found:
        return ()
    text = f"pictures that the fit has seen: {len(found)}; on these it does better than on others"
    return (StudyNote(text, found, grave=True),)


def _parts_in(folder: Path) -> dict[str, list[Path]]:
    parts: dict[str, list[Path]] = defaultdict(list)
    for path in folder.rglob("*"):
        if is_picture(path, folder):
            parts[_part_of(path, folder)].append(path)
    return dict(parts)


def _part_of(path: Path, folder: Path) -> str:
    inside = path.relative_to(folder)
    if len(inside.parts) > 1:
        return inside.parts[0]
    part, underscore, trial = path.stem.rpartition("_")
    if not (part and underscore and trial):
        raise MsaError(
            f"{path} does not tell which part it shows; name it PART_TRIAL, such as "
            f"{path.stem}_1{path.suffix}, or put it into a folder named after the part"
        )
    return part


def _digest(path: Path) -> bytes:
    picture = read_picture(path)
    return sha256(repr(picture.shape).encode() + picture.tobytes()).digest()


def _some(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
