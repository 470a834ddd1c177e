from __future__ import annotations

from dataclasses import replace

from takt_station.plant.conveyor import Conveyor, PartPictures

CONVEYOR = Conveyor(start_s=1000.0, every_s=0.1, gate_s=0.25, parts=200, seed=3, defects=0.25)


def test_the_camera_sees_a_part_from_its_trigger_to_the_gap_before_the_next() -> None:
    for part in range(1, 201):
        at_s = CONVEYOR.triggered_s(part)
        assert CONVEYOR.at_camera(at_s) == part
        assert CONVEYOR.at_camera(at_s + 0.08) == part
        assert CONVEYOR.at_camera(at_s + 0.095) is None


def test_the_camera_sees_nothing_before_the_first_part_and_after_the_last() -> None:
    assert CONVEYOR.at_camera(999.99) is None
    assert CONVEYOR.at_camera(CONVEYOR.triggered_s(200) + 0.1) is None


def test_a_part_is_at_the_gate_after_the_way_there() -> None:
    assert CONVEYOR.gate_at_s(3) == CONVEYOR.triggered_s(3) + 0.25


def test_one_seed_gives_the_same_parts_and_about_the_share_of_defects() -> None:
    defects = [CONVEYOR.has_defect(part) for part in range(1, 201)]

    assert defects == [replace(CONVEYOR).has_defect(part) for part in range(1, 201)]
    assert defects != [replace(CONVEYOR, seed=4).has_defect(part) for part in range(1, 201)]
    assert 30 <= sum(defects) <= 70


def test_parts_are_of_two_kinds_and_of_lots_of_25() -> None:
    kinds = [CONVEYOR.kind(part) for part in range(1, 201)]

    assert 60 <= sum(kinds) <= 140
    assert [CONVEYOR.lot(part) for part in (1, 25, 26, 200)] == ["L1", "L1", "L2", "L8"]


def test_a_part_has_a_picture_of_its_kind_and_always_the_same() -> None:
    pictures = PartPictures([b"g1", b"g2"], [b"d1", b"d2"], b"gap")

    for part in range(1, 201):
        picture = CONVEYOR.picture(part, pictures)
        assert picture in (pictures.defects if CONVEYOR.has_defect(part) else pictures.good)
        assert picture == CONVEYOR.picture(part, pictures)
