"""Labelled pictures on disk, with their defects and the masks that mark them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from takt_export.errors import PicturesError
from takt_export.pictures import MASKS, SYNTHETIC, is_picture

GOOD_NAMES = frozenset({"good", "normal", "ok"})
"""Names of a folder of good pictures, in lower case."""

LAYOUTS = (
    "MVTec AD's (test/good, test/<defect>, ground_truth/<defect>/<stem>_mask.png)",
    "VisA's (Data/Images/Normal, Data/Images/Anomaly, Data/Masks/Anomaly/<stem>.png)",
    "Real-IAD's (OK, NG/<defect>, masks beside their pictures, and <category>.json)",
    "a plain one (good, and beside it a folder for each defect)",
)


@dataclass(frozen=True)
class Sample:
    """A labelled picture.

    Attributes:
        path: file of the picture.
        defect: name of the defect; None for a good picture.
        masks: pictures of the same size; the defect is where any of them is not black. Empty for
            good pictures and for defects without a mask.
    """

    path: Path
    defect: str | None
    masks: tuple[Path, ...] = ()

    @property
    def synthetic(self) -> bool:
        """Whether a program drew the defect."""
        return self.defect is not None and self.defect.startswith(SYNTHETIC)


@dataclass(frozen=True)
class DataSet:
    """Labelled pictures of one kind of part.

    Attributes:
        root: folder of the data set.
        layout: name of the layout.
        samples: pictures sorted by path, at least one.
        notes: limits of the labels, for readers of the metrics.
    """

    root: Path
    layout: str
    samples: tuple[Sample, ...]
    notes: tuple[str, ...] = ()


def read_data_set(root: Path) -> DataSet:
    """The labelled pictures for testing in a folder of one of several layouts.

    - MVTec AD: `test/good`, `test/<defect>`, and masks in `ground_truth/<defect>/`: for the
      picture `<stem>`, either `<stem>_mask.png`, `<stem>.png` or, as in MVTec LOCO AD, a folder
      `<stem>` of several.
    - VisA: `Data/Images/Normal` and `Anomaly`, `Data/Masks/Anomaly`. `image_anno.csv` names the
      defects; `split_csv/1cls.csv`, here or beside the category, names the pictures for testing.
    - Real-IAD: `OK` and `NG/<defect>`, with each mask beside its picture. The category's list, here
      or up to two folders above, names the pictures for testing and the views that count.
    - Plain: `good`, and beside it a folder for each defect; masks, if any, in `ground_truth`.

    Raises:
        PicturesError: the folder has none of these layouts, no picture or several categories, or
            its list names a file that is absent.
    """
    if not root.is_dir():
        raise PicturesError(f"there is no folder {root}")
    read = _reader(root)
    if read is None:
        _refuse_categories(root)
    found = None if read is None else read(root)
    if found is None or not found.samples:
        raise PicturesError(
            f"{root} holds no labelled pictures in a layout that is known: {'; '.join(LAYOUTS)}"
        )
    return found


def _reader(root: Path) -> Callable[[Path], DataSet] | None:
    """Reader of the folder's layout; None if it has none."""
    if (root / "test").is_dir():
        return _mvtec
    if (root / "Data" / "Images").is_dir():
        return _visa
    if _subfolders(root / "NG"):
        return _realiad
    if any(_is_good(folder) for folder in _subfolders(root)):
        return _plain
    return None


def _refuse_categories(root: Path) -> None:
    categories = [folder for folder in _subfolders(root) if _reader(folder) is not None]
    if categories:
        names = ", ".join(folder.name for folder in categories)
        raise PicturesError(
            f"{root} holds several categories ({names}), and a model knows one; name that one's "
            f"folder, such as {categories[0]}"
        )


def _mvtec(root: Path) -> DataSet:
    return DataSet(root, "MVTec AD", _by_folder(root, root / "test"))


def _plain(root: Path) -> DataSet:
    return DataSet(root, "plain", _by_folder(root, root))


def _by_folder(root: Path, parent: Path) -> tuple[Sample, ...]:
    """Samples of the folders below a parent, labelled with the folders' names."""
    return tuple(
        Sample(path, None)
        if _is_good(folder)
        else Sample(path, folder.name, _masks_of(root / MASKS / folder.name, folder, path))
        for folder in _subfolders(parent)
        if folder.name not in (MASKS, "train")
        for path in _pictures(folder)
    )


def _masks_of(masks: Path, folder: Path, path: Path) -> tuple[Path, ...]:
    """Masks of a picture in a folder; `masks` holds the same subfolders as the folder."""
    place = masks / path.relative_to(folder).parent
    for name in (f"{path.stem}_mask.png", f"{path.stem}.png"):
        if (place / name).is_file():
            return (place / name,)
    several = place / path.stem
    return tuple(_pictures(several)) if several.is_dir() else ()


def _visa(root: Path) -> DataSet:
    images, masks = root / "Data" / "Images", root / "Data" / "Masks" / "Anomaly"
    names = _visa_defects(root / "image_anno.csv")
    chosen, notes = _visa_split(root)
    samples = []
    for folder in _subfolders(images):
        for path in _pictures(folder):
            if chosen is not None and f"{folder.name}/{path.name}" not in chosen:
                continue
            if _is_good(folder):
                samples.append(Sample(path, None))
            else:
                defect = names.get(path.name, folder.name.lower())
                samples.append(Sample(path, defect, _masks_of(masks, folder, path)))
    return DataSet(root, "VisA", tuple(samples), notes)


def _visa_defects(path: Path) -> dict[str, str]:
    """Defect by name of the picture's file; empty without `image_anno.csv`."""
    rows = _csv_rows(path, ("image", "label")) if path.is_file() else iter(())
    return {
        Path(row["image"]).name: row["label"]
        for row in rows
        if row["label"].lower() not in GOOD_NAMES
    }


def _visa_split(root: Path) -> tuple[frozenset[str] | None, tuple[str, ...]]:
    """The pictures for testing as `<folder>/<file>`; None for all of them, with a note."""
    category = root.resolve().name
    for folder in (root, root.resolve().parent):
        path = folder / "split_csv" / "1cls.csv"
        if path.is_file():
            rows = _csv_rows(path, ("object", "split", "image"))
            chosen = frozenset(
                "/".join(Path(row["image"]).parts[-2:])
                for row in rows
                if (row["object"], row["split"]) == (category, "test")
            )
            if chosen:
                return chosen, ()
    return None, (
        f"no split_csv/1cls.csv says which pictures of {category} are for testing: all are taken, "
        "also those that a model may have been fitted on",
    )


def _csv_rows(path: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            for row in csv.DictReader(lines):
                if any(row.get(column) is None for column in columns):
                    raise PicturesError(
                        f"{path} needs the columns {', '.join(columns)} in each line"
                    )
                yield {column: row[column].strip() for column in columns}
    except (UnicodeDecodeError, csv.Error) as error:
        raise PicturesError(
            f"{path} is no CSV file in UTF-8 ({error}); save it again as one"
        ) from error


def _realiad(root: Path) -> DataSet:
    listed = _realiad_list(root)
    if listed is not None:
        samples = sorted(_listed_samples(root, listed), key=lambda sample: sample.path)
        return DataSet(root, "Real-IAD", tuple(samples))
    good = (sample for sample in _by_folder(root, root) if sample.defect is None)
    defective = (
        Sample(path, folder.name, _masks_beside(path))
        for folder in _subfolders(root / "NG")
        for path in _pictures(folder)
        if not _marks_another(path)
    )
    note = (
        f"no {root.resolve().name}.json lists the pictures for testing: all are taken, also those "
        "that a model may have been fitted on, and views in which the defect cannot be seen"
    )
    return DataSet(root, "Real-IAD", (*defective, *good), (note,))


def _realiad_list(root: Path) -> Path | None:
    name = f"{root.resolve().name}.json"
    lists = (
        place / folder / name
        for place in (root, *root.resolve().parents[:2])
        for folder in ("", "realiad_jsons", "realiad_jsons/realiad_jsons")
    )
    return next((path for path in lists if path.is_file()), None)


def _listed_samples(root: Path, listed: Path) -> Iterator[Sample]:
    try:
        content = json.loads(listed.read_text(encoding="utf-8"))
        entries = list(content["test"])
        normal = content.get("meta", {}).get("normal_class", "OK")
        for entry in entries:
            label = str(entry["anomaly_class"])
            path = _listed_file(root, listed, entry["image_path"])
            if label == normal:
                yield Sample(path, None)
            else:
                mask = entry.get("mask_path")
                masks = () if mask is None else (_listed_file(root, listed, mask),)
                yield Sample(path, label, masks)
    except UnicodeDecodeError as error:  # whose repr is the whole file
        raise PicturesError(f"{listed} is not in UTF-8 ({error}); save it again so") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PicturesError(
            f"{listed} is no list of Real-IAD ({error!r}); each entry of `test` needs image_path, "
            "mask_path and anomaly_class"
        ) from error


def _listed_file(root: Path, listed: Path, name: Any) -> Path:
    """File that a list names, relative to the category or to the folder above it."""
    relative = Path(str(name))
    if relative.is_absolute() or ".." in relative.parts:
        raise PicturesError(f"{listed} names {name}, which lies outside of {root}")
    for place in (root, root.resolve().parent):
        if (place / relative).is_file():
            return place / relative
    raise PicturesError(f"{listed} names {name}, which is not in {root}; unpack it there")


def _masks_beside(path: Path) -> tuple[Path, ...]:
    """Masks of a picture in its own folder."""
    masks = (path.with_name(f"{path.stem}_mask.png"), path.with_suffix(".png"))
    return tuple(mask for mask in masks if mask != path and mask.is_file())


def _marks_another(path: Path) -> bool:
    """Whether a file is the mask of a picture beside it."""
    stem = path.stem.removesuffix("_mask")
    pictures = (path.with_name(stem + suffix) for suffix in (".jpg", ".jpeg", ".png", ".bmp"))
    return path.suffix == ".png" and any(
        picture != path and picture.is_file() for picture in pictures
    )


def _is_good(folder: Path) -> bool:
    return folder.name.lower() in GOOD_NAMES


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if is_picture(path, folder))


def _subfolders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
