"""Files in a folder to learn from: each is learned as the server decodes it, or refused by name.

Pictures of every kind, sound and tampered with, under right and wrong endings, and with any EXIF;
what they are judged is another server's.
"""

from __future__ import annotations

import hashlib
import io
import random
import resource
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from takt.core.bundles.manifest import Preprocess
from takt.core.domain import PICTURE_SUFFIXES, Box
from takt.core.errors import RequestError
from takt.core.judged import LINES, JudgedFile
from takt.core.pictures.decode import decode
from takt.core.pictures.prepare import prepare
from takt_export.calibration.camera_files import file_depth
from takt_export.calibration.grouping import BY_LOOKS
from takt_export.errors import LearnError, PicturesError
from takt_export.learning.family import reader
from takt_export.learning.look import look_at_pictures
from takt_export.learning.stages import Stages
from takt_export.learning.teaching.judged_pictures import judged_pictures
from takt_export.pictures import MAX_PIXELS, usual_size
from takt_models.checkpoints.facts import FileDepth, InputRecipe
from tests.hostile.features.outcome import Outcome
from tests.hostile.pictures import mutant, originals

SIDE = 32
_OTHER_SUFFIXES = (".gif", ".apng", ".PNG", ".TIFF")


def send(count: int, seed: int, folder: Path) -> Outcome:
    """Learn from so many folders of one file each, as far as to what a fit would see."""
    outcome, start = Outcome(), _peak_mib()
    with Stages(quiet=True) as stages:
        for number in range(count):
            name, data = _drawn(random.Random(f"{seed}-{number}"), number)
            place = folder / str(number)
            file = place / "judged" / "defect" / name
            file.parent.mkdir(parents=True)
            file.write_bytes(data)
            learned = _learned(file, stages)
            outcome.note("learned" if isinstance(learned, np.ndarray) else "refused")
            taught = _taught(file, random.Random(number), stages)
            for wrong in (_against_the_server(file, data, learned), taught):
                if wrong is not None:
                    outcome.wrong.append(f"{seed}-{number}, {name}: {wrong}")
            file.unlink()
    outcome.memory_mib = _peak_mib() - start
    return outcome


def _drawn(rng: random.Random, number: int) -> tuple[str, bytes]:
    """A file: its name and its content."""
    suffix = rng.choice((*PICTURE_SUFFIXES, *_OTHER_SUFFIXES))
    name = f"{number}{suffix}"
    if rng.random() < 0.5:
        return name, mutant(rng).data
    kind = rng.choice([*originals(), "gif", "jpeg odd exif", "tiff cmyk", "png grey alpha"])
    return name, originals()[kind] if kind in originals() else _other(kind, rng)


def _other(kind: str, rng: random.Random) -> bytes:
    """A picture of a kind that the pictures to send have not."""
    part = Pillow.open(io.BytesIO(originals()["png"]))
    buffer, exif = io.BytesIO(), Pillow.Exif()
    match kind:
        case "gif":
            part.save(buffer, "GIF", save_all=True, append_images=[part.rotate(180)])
        case "tiff cmyk":
            part.convert("CMYK").save(buffer, "TIFF")
        case "png grey alpha":
            part.convert("LA").save(buffer, "PNG")
        case _:
            exif[274] = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 65535))
            exif[256] = rng.randrange(1 << 16)
            part.save(buffer, "JPEG", exif=exif.tobytes() + rng.randbytes(rng.randrange(40)))
    return buffer.getvalue()


def _learned(file: Path, stages: Stages) -> object:
    """What a fit would see of the only file of a folder, or why it would see nothing."""
    try:
        pictures = look_at_pictures(file.parent, (), BY_LOOKS, stages)
        usual_size(pictures.paths)
        recipe = InputRecipe(SIDE, SIDE, "area", depth=file_depth(pictures.paths, stages.tell))
        return reader(recipe)(pictures.paths[0])
    except Exception as error:
        return error


def _against_the_server(file: Path, data: bytes, learned: object) -> str | None:
    """What is wrong with what was learned, beside what a server answers to the same bytes."""
    if isinstance(learned, Exception) and not isinstance(learned, PicturesError):
        return f"{type(learned).__name__}: {learned}"
    if isinstance(learned, Exception) and file.name not in str(learned):
        return f"the file is not named: {learned}"
    if file.suffix.lower() not in PICTURE_SUFFIXES:
        return None if isinstance(learned, Exception) else "learned, whatever its ending"
    depths: tuple[FileDepth, ...] = ("full", "12", "14")
    try:
        served = [prepare(data, _spec(depth), MAX_PIXELS).model_input for depth in depths]
    except RequestError as error:
        return None if isinstance(learned, Exception) else f"learned, but the server says {error}"
    if not isinstance(learned, np.ndarray):
        return f"the server takes it: {learned}"
    alike = any(np.array_equal(one, learned) for one in served)
    return None if alike else "the fit sees another picture than the server"


def _taught(file: Path, rng: random.Random, stages: Stages) -> str | None:
    """What is wrong with how a teaching reads the file, as another server has judged it."""
    folder, data = file.parents[1], file.read_bytes()
    box = Box(*(rng.randrange(80) for _ in range(2)), *(rng.randint(1, 40) for _ in range(2)))
    line = JudgedFile(
        file=f"defect/{file.name}",
        sha256=hashlib.sha256(data).hexdigest(),
        inspection=rng.randint(1, 1 << 40),
        judgement_id=rng.randint(1, 1 << 40),
        judgement="defect",
        kind=rng.choice((None, "Kratzer", "划痕")),
        box=rng.choice((None, box)),
        model=rng.choice((None, "another model", "x" * 300)),
        version=rng.choice((None, "99", "v1-rc")),
    )
    (folder / LINES).write_bytes(line.line())
    try:
        (one,) = judged_pictures(folder, stages).defects
        cells = one.cells_in_box(rng.randint(1, 60), rng.randint(1, 60))
    except (PicturesError, LearnError) as error:
        return None if file.name in str(error) else f"the file is not named: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if line.box is None:
        return None
    height, width, _ = decode(data, MAX_PIXELS).shape
    inside = box.x + box.width <= width and box.y + box.height <= height
    return None if inside and cells is not None and cells.any() else f"{box} is taken"


def _spec(depth: FileDepth) -> Preprocess:
    return Preprocess(width=SIDE, height=SIDE, resize="area", depth=depth)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
