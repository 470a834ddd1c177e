"""What the processes of a made-up plant share: the conveyor, and where its pictures come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from pydantic import ConfigDict, TypeAdapter

from takt.commands.demo.part import DEFECTS, HEIGHT, WIDTH, jpeg
from takt.core.domain import PICTURE_SUFFIXES
from takt.core.errors import TaktError
from takt_station.plant.conveyor import Conveyor, PartPictures
from takt_station.plant.faults import Fault
from takt_station.plant.program import PartTexts

_DRAWN: Final = 24
"""Good parts that are drawn, and as many with a defect."""

_FIRST_SEED: Final = 60_000
"""Of the drawn parts; the demo's model has not learned them."""


class PlantError(TaktError):
    """A plant in a box cannot begin."""

    code = "plant"
    title = "Plant in a box"


@dataclass(frozen=True, slots=True)
class PlantLayout:
    """What every process of a plant knows.

    Attributes:
        conveyor: with the parts.
        recipe: number of the recipe that the PLC asks for.
        good: folder of pictures of good parts; None for drawn ones.
        defects: folder of pictures of parts with a defect; None for drawn ones.
        code: with which the codes of all parts begin; empty where they have none.
        plc_faults: what goes wrong between the PLC and the world.
    """

    # JSON knows no infinity, at which a conveyor starts that has not yet.
    __pydantic_config__ = ConfigDict(ser_json_inf_nan="constants")

    conveyor: Conveyor
    recipe: int = 1
    good: Path | None = None
    defects: Path | None = None
    code: str = ""
    plc_faults: tuple[Fault, ...] = ()

    def starting(self, start_s: float) -> PlantLayout:
        """The same, whose first part passes the trigger at a time."""
        return replace(self, conveyor=replace(self.conveyor, start_s=start_s))

    def drawn(self, folder: Path) -> PlantLayout:
        """The same with its pictures as files, drawn into a folder where it has none.

        A camera that begins anew reads them sooner than it could draw them.
        """
        if self.good is not None:
            return self
        pictures = pictures_of(self)
        for name, files in (("good", pictures.good), ("defects", pictures.defects)):
            (folder / name).mkdir(parents=True)
            for number, picture in enumerate(files):
                (folder / name / f"{number:02}.jpg").write_bytes(picture)
        return replace(self, good=folder / "good", defects=folder / "defects")

    def names(self) -> tuple[list[str], list[str]]:
        """The names of its files of good parts, and of those with a defect, once it has files.

        Raises:
            PlantError: there are none.
        """
        assert self.good is not None
        assert self.defects is not None
        good, defects = (
            [path.relative_to(folder).as_posix() for path in _paths(folder)]
            for folder in (self.good, self.defects)
        )
        return good, defects

    def texts(self, part: int) -> PartTexts:
        """What the PLC knows of a part."""
        return PartTexts(self.conveyor.lot(part), f"{self.code}{part:06}" if self.code else "")

    def write(self, path: Path) -> None:
        """Keep it in a file, for the other processes; it is there as a whole, or as it was."""
        new = path.with_suffix(".new")
        new.write_bytes(_LAYOUT.dump_json(self))
        new.replace(path)

    @classmethod
    def read(cls, path: Path) -> PlantLayout:
        """What another process has written."""
        return _LAYOUT.validate_json(path.read_bytes())


_LAYOUT: Final = TypeAdapter(PlantLayout)


def pictures_of(layout: PlantLayout) -> PartPictures:
    """The pictures of a plant's parts.

    Raises:
        PlantError: a folder has none.
    """
    seeds = range(_FIRST_SEED, _FIRST_SEED + _DRAWN)
    good = [jpeg(one) for one in seeds] if layout.good is None else _files(layout.good)
    if layout.defects is None:
        bad = [jpeg(one, DEFECTS[one % len(DEFECTS)]) for one in seeds]
    else:
        bad = _files(layout.defects)
    done, gap = cv2.imencode(".jpg", np.full((HEIGHT, WIDTH, 3), 40, np.uint8))
    assert done
    return PartPictures(good, bad, gap.tobytes())


def _files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in _paths(folder)]


def _paths(folder: Path) -> list[Path]:
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()
    ]
    if not found:
        raise PlantError(f"{folder} has no pictures; name a folder with JPEG or PNG files")
    return found
