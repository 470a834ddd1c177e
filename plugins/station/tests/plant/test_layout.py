from __future__ import annotations

from pathlib import Path

import pytest

from takt_station.plant.conveyor import Conveyor
from takt_station.plant.faults import Fault, FaultKind
from takt_station.plant.layout import PartPictures, PlantError, PlantLayout, pictures_of
from takt_station.plant.program import PartTexts

CONVEYOR = Conveyor(1.5, 0.1, 0.25, 200, 3)


def test_another_process_reads_what_one_has_written(tmp_path: Path) -> None:
    for layout in (
        PlantLayout(CONVEYOR),
        PlantLayout(CONVEYOR, 7, tmp_path / "good", tmp_path / "bad", "AB-"),
        PlantLayout(CONVEYOR, plc_faults=(Fault(FaultKind.LOST_TRIGGER, 1.0, 2.0),)),
    ):
        layout.write(tmp_path / "plant.json")
        assert PlantLayout.read(tmp_path / "plant.json") == layout


def test_parts_have_a_lot_and_a_code_where_codes_begin_with_something() -> None:
    assert PlantLayout(CONVEYOR, code="AB-").texts(30) == PartTexts("L2", "AB-000030")
    assert PlantLayout(CONVEYOR).texts(30) == PartTexts("L2", "")


@pytest.fixture(scope="module")
def pictures() -> PartPictures:
    return pictures_of(PlantLayout(CONVEYOR))


def test_parts_are_drawn_where_there_are_no_pictures(pictures: PartPictures) -> None:
    assert len({*pictures.good, *pictures.defects}) == len(pictures.good) + len(pictures.defects)


def test_pictures_come_from_folders_and_those_within(tmp_path: Path) -> None:
    (tmp_path / "good/a").mkdir(parents=True)
    (tmp_path / "good/a/1.JPG").write_bytes(b"1")
    (tmp_path / "good/readme.txt").write_bytes(b"no picture")

    assert pictures_of(PlantLayout(CONVEYOR, good=tmp_path / "good")).good == [b"1"]


def test_a_folder_without_pictures_is_said(tmp_path: Path) -> None:
    with pytest.raises(PlantError, match="no pictures"):
        pictures_of(PlantLayout(CONVEYOR, good=tmp_path))


def test_drawn_parts_become_files_and_stay_the_same(pictures: PartPictures, tmp_path: Path) -> None:
    drawn = PlantLayout(CONVEYOR).drawn(tmp_path)

    assert pictures_of(drawn) == pictures
    assert drawn.drawn(tmp_path / "elsewhere") == drawn
