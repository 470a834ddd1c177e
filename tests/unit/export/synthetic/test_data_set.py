from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from takt_export.errors import PicturesError, SyntheticError
from takt_export.evaluation.data_sets import read_data_set
from takt_export.pictures import read_picture
from takt_export.synthetic import data_set as synthetic
from takt_export.synthetic.data_set import (
    FOLDERS,
    GoodFolder,
    SyntheticFacts,
    SyntheticOptions,
    TextureFolder,
    alter,
    split,
    synthesize,
)
from takt_export.synthetic.defects import defect_of
from takt_models.checkpoints.picture_digest import picture_digest

WritePictures = Callable[..., list[Path]]
SMALL = SyntheticOptions(count=4)


@pytest.fixture
def good(write_pictures: WritePictures, tmp_path: Path) -> Path:
    write_pictures(tmp_path / "good", 7, size=(160, 120))
    return tmp_path / "good"


def make(
    good: Path,
    out: Path,
    options: SyntheticOptions = SMALL,
    textures: TextureFolder | None = None,
    *,
    backwards: bool = False,
) -> SyntheticFacts:
    paths = sorted(good.iterdir(), reverse=backwards)
    digests = {path: picture_digest(path) for path in paths}
    return synthesize(GoodFolder(good, digests), textures, out, options, {"takt": "1"}, quiet=True)


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_the_set_is_labelled_and_its_masks_mark_the_pixels_that_changed(
    good: Path, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "set"
    facts = make(good, out)
    samples = read_data_set(out).samples
    defective = [sample for sample in samples if sample.synthetic]
    assert {sample.defect for sample in defective} == set(FOLDERS.values())
    assert (len(defective), len(samples)) == (12, 16)
    for sample in defective:
        source = read_picture(good / facts.pictures[sample.path.relative_to(out).as_posix()])
        mask = cv2.imread(str(sample.masks[0]), cv2.IMREAD_UNCHANGED)
        assert mask is not None
        expected = (read_picture(sample.path) != source).any(axis=2)
        assert np.array_equal(mask, expected.astype(np.uint8) * 255)
        assert expected.any()


def test_unaltered_pictures_are_copies_and_none_of_them_was_altered(
    good: Path, tmp_path: Path
) -> None:
    facts = make(good, tmp_path / "set")
    origins: dict[bool, set[str]] = {True: set(), False: set()}
    for place, source in facts.pictures.items():
        unaltered = place.startswith("test/good/")
        origins[unaltered].add(source)
        same = (tmp_path / "set" / place).read_bytes() == (good / source).read_bytes()
        assert same == unaltered
    assert not origins[True] & origins[False]
    assert (facts.good, facts.sources) == (4, 3) == (len(origins[True]), len(origins[False]))


def test_the_facts_stand_in_the_root(good: Path, tmp_path: Path) -> None:
    facts = make(good, tmp_path / "set")
    written = json.loads((tmp_path / "set" / "synthetic.json").read_text(encoding="utf-8"))
    assert written == asdict(facts)
    assert "no real defects" in written["notice"]
    assert written["seed"] == 0
    assert written["good_folder"] == "good"
    assert written["defects"] == dict.fromkeys(FOLDERS.values(), 4)


def test_a_seed_repeats_the_set_whatever_the_order_and_names(good: Path, tmp_path: Path) -> None:
    make(good, tmp_path / "first")
    make(good, tmp_path / "again", backwards=True)
    assert contents(tmp_path / "first") == contents(tmp_path / "again")
    renamed = tmp_path / "renamed" / "good"
    renamed.mkdir(parents=True)
    for number, path in enumerate(sorted(good.iterdir(), reverse=True)):
        shutil.copyfile(path, renamed / f"part-{number}.png")
    make(renamed, tmp_path / "other names")
    first, other = contents(tmp_path / "first"), contents(tmp_path / "other names")
    assert first.pop("synthetic.json") != other.pop("synthetic.json")
    assert first == other


def test_another_seed_gives_another_set(good: Path, tmp_path: Path) -> None:
    make(good, tmp_path / "first")
    make(good, tmp_path / "other", SyntheticOptions(count=4, seed=1))
    first, other = contents(tmp_path / "first"), contents(tmp_path / "other")
    assert all(first[name] != other[name] for name in first if "synthetic-" in name)


def test_a_kind_and_a_picture_do_not_depend_on_what_else_is_made(
    good: Path, tmp_path: Path
) -> None:
    make(good, tmp_path / "all")
    make(good, tmp_path / "few", SyntheticOptions(kinds=("scar",), count=2))
    both, few = contents(tmp_path / "all"), contents(tmp_path / "few")
    pictures = [name for name in few if name.endswith(".png")]
    assert {Path(name).parts[1] for name in pictures} == {"good", "synthetic-cutpaste-scar"}
    assert all(both[name] == few[name] for name in pictures)


def test_a_picture_that_is_altered_twice_has_two_defects(good: Path, tmp_path: Path) -> None:
    facts = make(good, tmp_path / "set")
    names = [f"test/synthetic-cutpaste/{number:03}.png" for number in (0, 3)]
    assert facts.pictures[names[0]] == facts.pictures[names[1]]
    first, second = ((tmp_path / "set" / name).read_bytes() for name in names)
    assert first != second


def test_textures_of_other_pictures_change_the_perlin_kind_alone(
    good: Path, tmp_path: Path, write_pictures: WritePictures
) -> None:
    others = tuple(write_pictures(tmp_path / "anything", 3, seed=5))
    make(good, tmp_path / "own")
    facts = make(good, tmp_path / "lent", textures=TextureFolder(tmp_path / "anything", others))
    own, lent = contents(tmp_path / "own"), contents(tmp_path / "lent")
    differing = {name for name in own if own[name] != lent[name]}
    assert "test/synthetic-perlin/000.png" in differing
    assert not [name for name in differing if "cutpaste" in name or "good" in name]
    assert facts.texture_folder == "anything"


def test_what_exists_is_not_replaced(good: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(SyntheticError, match="exists; delete it, or give another --out"):
        make(good, tmp_path / "set")


def test_altered_pictures_never_go_among_the_good_ones(good: Path) -> None:
    before = contents(good)
    with pytest.raises(SyntheticError, match="folder of good pictures"):
        make(good, good / "deep" / "set")
    assert contents(good) == before


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError])
def test_a_set_that_is_not_finished_leaves_nothing(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]
) -> None:
    calls: list[Path] = []

    def fails_later(path: Path, **as_seen: object) -> np.ndarray:
        calls.append(path)
        if len(calls) == 6:
            raise fault
        return read_picture(path)

    monkeypatch.setattr(synthetic, "read_picture", fails_later)
    with pytest.raises(fault):
        make(good, tmp_path / "sets" / "one")
    assert len(calls) == 6
    assert list((tmp_path / "sets").iterdir()) == []


def test_a_file_that_is_no_picture_is_named_before_anything_is_written(
    good: Path, tmp_path: Path
) -> None:
    (good / "notes.png").write_text("no picture")
    with pytest.raises(PicturesError, match=r"notes\.png"):
        make(good, tmp_path / "set")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good"]


def test_a_texture_that_is_no_picture_is_named_before_anything_is_written(
    good: Path, tmp_path: Path
) -> None:
    texture = tmp_path / "anything" / "notes.png"
    texture.parent.mkdir()
    texture.write_text("no picture")
    with pytest.raises(PicturesError, match=r"anything/notes\.png"):
        make(good, tmp_path / "deep" / "set", textures=TextureFolder(texture.parent, (texture,)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["anything", "good"]


def test_a_file_name_that_is_not_utf_8_is_written_down(good: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"part-\xff.png")
    (good / "000.png").rename(good / name)
    facts = make(good, tmp_path / "set", SyntheticOptions(kinds=("scar",), count=3))
    written = json.loads((tmp_path / "set" / "synthetic.json").read_text(encoding="utf-8"))
    assert name in facts.pictures.values()
    assert written == asdict(facts)


@pytest.mark.parametrize("count", [0, 1])
def test_a_set_needs_two_pictures(count: int) -> None:
    digests = {Path(f"{number}.png"): f"{number:016x}" for number in range(count)}
    with pytest.raises(SyntheticError, match="at least two"):
        split(digests, 0)


def test_one_more_good_picture_moves_at_most_one_other() -> None:
    digests = {Path(f"{number}.png"): f"{number:016x}" for number in range(40)}
    _, before = split(digests, 3)
    _, after = split({**digests, Path("new.png"): "f" * 16}, 3)
    assert len(set(before) - set(after)) <= 1


def test_a_flat_picture_is_named(good: Path, tmp_path: Path) -> None:
    for path in good.iterdir():
        cv2.imwrite(str(path), np.full((40, 50, 3), int(path.stem), np.uint8))
    with pytest.raises(SyntheticError, match=r"\d\.png: no defect of kind cutpaste shows"):
        make(good, tmp_path / "set")


def test_only_visible_defects_count() -> None:
    black = np.zeros((50, 60, 3), np.uint8)

    def hardly(picture: np.ndarray, part: object, rng: np.random.Generator) -> np.ndarray:
        return picture + np.uint8(9)

    assert alter(black, hardly, np.random.default_rng(0)) is None
    noise = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    assert alter(noise, defect_of("cutpaste"), np.random.default_rng(0)) is not None


def test_nothing_but_the_defect_tells_pictures_of_a_camera_of_12_bits_apart(
    good: Path, tmp_path: Path
) -> None:
    for path in good.iterdir():
        levels = cv2.imread(str(path))
        assert levels is not None
        cv2.imwrite(str(path), levels.astype(np.uint16) << 4)
    out = tmp_path / "set"
    facts = make(good, out, replace(SMALL, depth="12"))
    assert facts.good == 4
    for sample in read_data_set(out).samples:
        shown = cv2.imread(str(sample.path), cv2.IMREAD_UNCHANGED)
        source = good / facts.pictures[sample.path.relative_to(out).as_posix()]
        before = cv2.imread(str(source), cv2.IMREAD_UNCHANGED)
        assert shown is not None and before is not None
        assert shown.dtype == np.uint8
        unlike = (np.abs(shown.astype(int) - (before.astype(int) >> 4)) > 1).any(axis=2).mean()
        assert unlike < 0.5 if sample.synthetic else unlike == 0


def test_pictures_that_their_files_turn_lie_as_the_altered_ones_do(
    good: Path, tmp_path: Path
) -> None:
    for path in sorted(good.iterdir()):
        exif = Image.Exif()
        exif[0x0112] = 6
        with Image.open(path) as picture:
            picture.save(path, exif=exif)
    out = tmp_path / "set"
    make(good, out)
    shown = set()
    for sample in read_data_set(out).samples:
        with Image.open(sample.path) as picture:
            shown.add((picture.size, picture.getexif().get(0x0112, 1)))
    assert len(shown) == 1
    assert {turn for _, turn in shown} == {1}
