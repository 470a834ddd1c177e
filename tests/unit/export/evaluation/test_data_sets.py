from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from takt_export.errors import PicturesError
from takt_export.evaluation.data_sets import Sample, read_data_set


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def labels(root: Path) -> list[tuple[str, str | None, list[str]]]:
    """Each sample's file, defect and masks, by their place below the folder."""
    return [
        (
            sample.path.relative_to(root).as_posix(),
            sample.defect,
            [mask.relative_to(root).as_posix() for mask in sample.masks],
        )
        for sample in read_data_set(root).samples
    ]


def test_an_mvtec_data_set_is_read_with_its_masks(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "train/good/000.png",
        "test/good/000.png",
        "test/scratch/000.jpg",
        "test/scratch/001.png",
        "test/scratch/.hidden.png",
        "test/dent/000.png",
        "ground_truth/scratch/000_mask.png",
        "ground_truth/dent/000.png",
    )
    assert labels(tmp_path) == [
        ("test/dent/000.png", "dent", ["ground_truth/dent/000.png"]),
        ("test/good/000.png", None, []),
        ("test/scratch/000.jpg", "scratch", ["ground_truth/scratch/000_mask.png"]),
        ("test/scratch/001.png", "scratch", []),
    ]
    assert read_data_set(tmp_path).layout == "MVTec AD"


def test_all_masks_of_a_picture_of_mvtec_loco_are_read(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "test/good/000.png",
        "test/logical_anomalies/007.png",
        "ground_truth/logical_anomalies/007/000.png",
        "ground_truth/logical_anomalies/007/001.png",
    )
    masks = [f"ground_truth/logical_anomalies/007/00{number}.png" for number in (0, 1)]
    assert labels(tmp_path)[1] == ("test/logical_anomalies/007.png", "logical_anomalies", masks)


def test_a_plain_data_set_is_read(tmp_path: Path) -> None:
    touch(tmp_path, "Good/a.png", "bad/b.png", "dent/x/c.png", "train/d.png")
    touch(tmp_path, "ground_truth/dent/x/c_mask.png")
    assert labels(tmp_path) == [
        ("Good/a.png", None, []),
        ("bad/b.png", "bad", []),
        ("dent/x/c.png", "dent", ["ground_truth/dent/x/c_mask.png"]),
    ]


def test_folders_ok_and_ng_without_folders_of_defects_are_plain(tmp_path: Path) -> None:
    touch(tmp_path, "OK/a.png", "NG/b.png")
    assert labels(tmp_path) == [("NG/b.png", "NG", []), ("OK/a.png", None, [])]


@pytest.fixture
def candle(tmp_path: Path) -> Path:
    touch(
        tmp_path / "VisA" / "candle",
        *(f"Data/Images/Normal/000{number}.JPG" for number in range(3)),
        *(f"Data/Images/Anomaly/00{number}.JPG" for number in range(2)),
        *(f"Data/Masks/Anomaly/00{number}.png" for number in range(2)),
    )
    return tmp_path / "VisA" / "candle"


def test_a_visa_category_is_read_whole_where_nothing_splits_it(candle: Path) -> None:
    assert labels(candle) == [
        ("Data/Images/Anomaly/000.JPG", "anomaly", ["Data/Masks/Anomaly/000.png"]),
        ("Data/Images/Anomaly/001.JPG", "anomaly", ["Data/Masks/Anomaly/001.png"]),
        ("Data/Images/Normal/0000.JPG", None, []),
        ("Data/Images/Normal/0001.JPG", None, []),
        ("Data/Images/Normal/0002.JPG", None, []),
    ]
    (note,) = read_data_set(candle).notes
    assert "candle" in note
    assert "fitted on" in note


def test_visa_s_lists_name_the_defects_and_choose_the_pictures_for_testing(candle: Path) -> None:
    (candle / "image_anno.csv").write_text(
        "image,label,mask\n"
        "candle/Data/Images/Normal/0000.JPG,normal,\n"
        "candle/Data/Images/Anomaly/000.JPG,chip around edge and corner,m\n"
        'candle/Data/Images/Anomaly/001.JPG,"damaged,melded",m\n'
    )
    (candle.parent / "split_csv").mkdir()
    (candle.parent / "split_csv" / "1cls.csv").write_text(
        "object,split,label,image,mask\n"
        "candle,train,normal,candle/Data/Images/Normal/0000.JPG,\n"
        "candle,test,normal,candle/Data/Images/Normal/0002.JPG,\n"
        "candle,test,anomaly,candle/Data/Images/Anomaly/000.JPG,m\n"
        "candle,test,anomaly,candle/Data/Images/Anomaly/001.JPG,m\n"
        "pcb1,test,normal,pcb1/Data/Images/Normal/0001.JPG,\n"
    )
    assert [(Path(path).name, defect) for path, defect, _ in labels(candle)] == [
        ("000.JPG", "chip around edge and corner"),
        ("001.JPG", "damaged,melded"),
        ("0002.JPG", None),
    ]
    assert read_data_set(candle).notes == ()


def test_a_list_of_visa_without_its_columns_is_refused(candle: Path) -> None:
    (candle / "image_anno.csv").write_text("picture\nx.JPG\n")
    with pytest.raises(PicturesError, match=r"image_anno\.csv needs the columns image, label"):
        read_data_set(candle)


@pytest.mark.parametrize("damage", [b"caf\xe9,x\n", b"x" * 200_000 + b",y\n"])
@pytest.mark.parametrize("name", ["image_anno.csv", "split_csv/1cls.csv"])
def test_a_list_of_visa_that_is_no_csv_in_utf_8_is_named(
    candle: Path, name: str, damage: bytes
) -> None:
    (candle / name).parent.mkdir(exist_ok=True)
    (candle / name).write_bytes(b"image,label,object,split\n" + damage)
    with pytest.raises(PicturesError, match=rf"{name} is no CSV file in UTF-8"):
        read_data_set(candle)


@pytest.fixture
def zipper(tmp_path: Path) -> Path:
    touch(
        tmp_path / "Real-IAD" / "realiad_1024" / "zipper",
        "OK/S0001/zipper_0001_OK_C1.jpg",
        "OK/S0002/zipper_0002_OK_C1.jpg",
        "NG/BX/S0003/zipper_0003_NG_BX_C1.jpg",
        "NG/BX/S0003/zipper_0003_NG_BX_C1.png",
        "NG/BX/S0003/zipper_0003_NG_BX_C2.jpg",
    )
    return tmp_path / "Real-IAD" / "realiad_1024" / "zipper"


def write_list(zipper: Path, test: list[dict[str, Any]], place: str = "realiad_jsons") -> Path:
    path = zipper.parents[1] / place / "zipper.json"
    path.parent.mkdir(parents=True)
    entries = [{"category": "zipper", "mask_path": None} | entry for entry in test]
    path.write_text(json.dumps({"meta": {"normal_class": "OK"}, "train": [], "test": entries}))
    return path


@pytest.mark.parametrize("place", ["realiad_jsons", "realiad_jsons/realiad_jsons"])
def test_real_iad_s_list_chooses_and_labels_the_pictures(zipper: Path, place: str) -> None:
    seen, unseen = (f"NG/BX/S0003/zipper_0003_NG_BX_C{view}.jpg" for view in (1, 2))
    mask = "NG/BX/S0003/zipper_0003_NG_BX_C1.png"
    good = "OK/S0002/zipper_0002_OK_C1.jpg"
    write_list(
        zipper,
        [
            {"image_path": good, "anomaly_class": "OK"},
            {"image_path": seen, "mask_path": mask, "anomaly_class": "BX"},
            {"image_path": unseen, "anomaly_class": "OK"},
        ],
        place,
    )
    assert labels(zipper) == [(seen, "BX", [mask]), (unseen, None, []), (good, None, [])]
    assert read_data_set(zipper).layout == "Real-IAD"


def test_without_its_list_real_iad_is_read_by_its_folders(zipper: Path) -> None:
    assert [(Path(path).name, defect, len(masks)) for path, defect, masks in labels(zipper)] == [
        ("zipper_0003_NG_BX_C1.jpg", "BX", 1),
        ("zipper_0003_NG_BX_C2.jpg", "BX", 0),
        ("zipper_0001_OK_C1.jpg", None, 0),
        ("zipper_0002_OK_C1.jpg", None, 0),
    ]
    (note,) = read_data_set(zipper).notes
    assert "zipper.json" in note


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("OK/S0009/absent.jpg", r"zipper\.json names OK/S0009/absent\.jpg, which is not in"),
        ("../../secret.jpg", "outside of"),
        ("/etc/secret.jpg", "outside of"),
    ],
)
def test_a_list_that_names_what_is_not_there_is_refused(
    zipper: Path, name: str, message: str
) -> None:
    write_list(zipper, [{"image_path": name, "anomaly_class": "OK"}])
    with pytest.raises(PicturesError, match=message):
        read_data_set(zipper)


@pytest.mark.parametrize("content", ["", "[]", '{"test": [{"image_path": "a"}]}', '{"test": 1}'])
def test_a_file_that_is_no_list_of_real_iad_is_refused(zipper: Path, content: str) -> None:
    write_list(zipper, []).write_text(content)
    with pytest.raises(PicturesError, match="is no list of Real-IAD"):
        read_data_set(zipper)


def test_a_list_of_real_iad_that_is_not_utf_8_is_named_without_its_content(zipper: Path) -> None:
    write_list(zipper, []).write_bytes(b'{"test": [], "note": "caf\xe9 and more"}')
    with pytest.raises(PicturesError, match=r"zipper\.json is not in UTF-8") as refused:
        read_data_set(zipper)
    assert "and more" not in str(refused.value)


def test_several_categories_are_named_and_one_is_asked_for(candle: Path) -> None:
    touch(candle.parent / "pcb1", "Data/Images/Normal/0000.JPG")
    with pytest.raises(PicturesError, match=r"several categories \(candle, pcb1\).*VisA/candle"):
        read_data_set(candle.parent)


@pytest.mark.parametrize("files", [[], ["a.png"], ["test/good/notes.txt"], ["bad/a.png"]])
def test_a_folder_without_labels_is_refused_with_the_layouts(
    tmp_path: Path, files: list[str]
) -> None:
    touch(tmp_path, *files)
    with pytest.raises(PicturesError, match=r"test/good.*VisA.*Real-IAD.*good, and beside it"):
        read_data_set(tmp_path)


def test_an_absent_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PicturesError, match="there is no folder"):
        read_data_set(tmp_path / "absent")


@pytest.mark.parametrize(
    ("defect", "synthetic"), [(None, False), ("dent", False), ("synthetic-perlin", True)]
)
def test_the_name_of_a_defect_says_whether_it_is_synthetic(
    defect: str | None, synthetic: bool
) -> None:
    assert Sample(Path("a.png"), defect).synthetic == synthetic
