"""The sets of the corpus: folders with `train/good`, `test/good` and `test/<defect>`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from takt_export.calibration.grouping import BY_LOOKS
from takt_export.evaluation.data_sets import Sample, read_data_set
from takt_export.learning.look import look_at_pictures
from takt_export.learning.stages import Stages


class CorpusError(Exception):
    """Something that was asked of the corpus cannot be had; the text says what to do."""


@dataclass(frozen=True)
class Pictures:
    """The pictures of a set.

    Attributes:
        name: of the set.
        root: folder of the set.
        good: pictures to fit on; of copies only the first.
        part: number of the part that each of them shows.
        tested: labelled pictures, good and defective ones.
    """

    name: str
    root: Path
    good: tuple[Path, ...]
    part: tuple[int, ...]
    tested: tuple[Sample, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The pictures to fit on, then the tested ones."""
        return (*self.good, *(sample.path for sample in self.tested))

    @property
    def tested_names(self) -> tuple[str, ...]:
        """The tested pictures by their paths in the set."""
        return tuple(sample.path.relative_to(self.root).as_posix() for sample in self.tested)


def find_sets(data: Path, only: Sequence[str] = ()) -> tuple[Path, ...]:
    """The folders of the sets below a folder, sorted; those of some names if any are given.

    Raises:
        CorpusError: there is none, or none of such a name.
    """
    if not data.is_dir():
        raise CorpusError(f"there is no folder {data}: name that of the sets, or set TAKT_DATA")
    found = {folder.name: folder for folder in sorted(data.iterdir()) if _is_set(folder)}
    unknown = [name for name in only if name not in found]
    if unknown or not found:
        raise CorpusError(
            f"{data} has no set {', '.join(unknown)}: it has {', '.join(found) or 'none at all'}"
        )
    return tuple(found[name] for name in only or found)


def pictures_of(root: Path) -> Pictures:
    """The pictures of a set, looked at as `takt learn` looks at them.

    Raises:
        PicturesError: a picture cannot be read.
    """
    with Stages(quiet=True) as stages:
        good = look_at_pictures(root / "train" / "good", (), BY_LOOKS, stages)
    return Pictures(
        name=root.name,
        root=root,
        good=good.paths,
        part=good.parts.number,
        tested=read_data_set(root).samples,
    )


def _is_set(folder: Path) -> bool:
    if not ((folder / "train" / "good").is_dir() and (folder / "test" / "good").is_dir()):
        return False
    return any(one.is_dir() and one.name != "good" for one in (folder / "test").iterdir())
