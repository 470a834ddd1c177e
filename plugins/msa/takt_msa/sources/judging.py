"""The placements of a folder, judged by a bundle through the code that serves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from takt_export.evaluation.inspectors import Inspector
from takt_export.pictures import named, relative_name
from takt_msa.sources.folder import PlacedPart, PlacedParts
from takt_msa.study import Part, Study, Trial, study_of


def judged_study(
    placed: PlacedParts,
    inspector: Inspector,
    appraiser: str,
    threshold: float,
    *,
    quiet: bool = False,
) -> Study:
    """Inspect every placement once, one at a time.

    Args:
        placed: the parts and their pictures.
        inspector: inspects a picture.
        appraiser: name of the inspector.
        threshold: that the inspector applies to scores.
        quiet: show no progress bar.

    Raises:
        MsaError: no good or no defective part was placed at least twice.
        PicturesError: a picture cannot be read or was refused; says which.
    """
    pictures = sum(len(part.pictures) for part in placed.parts)
    with tqdm(total=pictures, desc="inspecting", unit="picture", disable=quiet or None) as bar:
        parts = [
            Part(part.name, part.defective, tuple(_trials(part, placed.root, inspector, bar)))
            for part in placed.parts
        ]
    return study_of((appraiser,), parts, threshold, placed.notes)


def _trials(part: PlacedPart, root: Path, inspector: Inspector, bar: tqdm) -> Iterator[Trial]:
    for path in part.pictures:
        with named(path):
            inspected = inspector.inspect(path.read_bytes())
        bar.update()
        yield Trial(relative_name(path, root), inspected.score, (inspected.anomalous,))
