"""Bundles that somebody has tampered with, and a command that tells how they are refused.

    python -m tests.hostile.bundles [FOLDER]

copies a bundle (the shipped one unless another is named), attacks each copy in another way, and
reads it in a process of its own, as a server does. It prints whether the file was named, how long
the refusal took and how large the process was, and ends with 1 if a copy was taken or a bar missed.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from takt.core.bundles.bundle import GOLDEN, MANIFEST, MODEL
from takt.core.bundles.host_profile import PROFILES
from takt.core.bundles.manifest import CALIBRATION, Manifest
from takt.core.bundles.thresholds import OVERRIDES
from takt.repository.activation import ACTIVE
from tests.hostile.read_bundle import read_as_a_server
from tests.hostile.tampering import (
    Change,
    archive,
    compiled_model,
    crowded,
    crowded_model,
    edited,
    fields,
    inner_model,
    large_end,
    linked,
    mask_bomb,
    model_record,
    model_with_data,
    moved_out,
    npy_header,
    outside_file,
    relisted,
    replaced,
    sparse,
    swapped,
    text,
    unlisted_weights,
    unsealed,
)

MOST_S = 1.0

MOST_MIB = 100

SHIPPED = Path(__file__).parents[2] / "examples" / "models" / "pitting" / "1"


@dataclass(frozen=True)
class Attack:
    """A change of a bundle that has to be found out.

    Attributes:
        name: in words.
        file: that the refusal has to name.
        change: changes the bundle at a path.
    """

    name: str
    file: str
    change: Change


DEEP = "[" * 60_000

NUMBERS = '{"notes": [' + "1," * 16_000 + "1]}"

CROWD = '{"notes": [' + "[]," * 340_000 + "[]]}"

ATTACKS = (
    Attack("another threshold in the manifest", MANIFEST, unsealed(image=0.9)),
    Attack("a name twice in the manifest", MANIFEST, edited('"name":', '"name": "b", "name":')),
    Attack("a manifest of 64 GiB", MANIFEST, sparse(MANIFEST)),
    Attack("a manifest nested 60,000 deep", MANIFEST, text(MANIFEST, DEEP)),
    Attack("a manifest of 340,000 wrong values", MANIFEST, text(MANIFEST, CROWD)),
    Attack("a manifest of 16,000 wrong values", MANIFEST, text(MANIFEST, NUMBERS)),
    Attack("a picture resized to a terapixel", MANIFEST, fields(preprocess={
        "width": 10**6, "height": 10**6, "resize": "area",
        "crop": {"x": 0, "y": 0, "width": 32, "height": 32}})),
    Attack("a pipe as manifest", MANIFEST, replaced(MANIFEST, os.mkfifo)),
    Attack("/dev/zero as manifest", MANIFEST, linked(MANIFEST, "/dev/zero")),
    Attack("a link to itself as manifest", MANIFEST, linked(MANIFEST, MANIFEST)),
    Attack("a listed name that leads out", "../secret", fields(files={
        MODEL: "0", GOLDEN: "0", CALIBRATION: "0", "../secret": "0"})),
    Attack("5,000 listed files", "64 files", fields(files={
        name: "0" for name in (MODEL, GOLDEN, CALIBRATION, *map(str, range(5_000)))})),
    Attack("a graph of another format", "variants.0.model", fields(variants=[{
        "name": "other", "engine": "openvino", "precision": "fp32", "model": "model.pdmodel"}])),
    Attack("golden inputs that unpack to 128 MiB", GOLDEN,
           archive(GOLDEN, "images.npy", npy_header((1 << 27,), "|u1"), 1 << 27)),
    Attack("golden inputs that unpack to more than they claim", GOLDEN,
           archive(GOLDEN, "score.npy", npy_header((3,)), 1 << 26)),
    Attack("golden inputs that claim 4 TiB", GOLDEN,
           archive(GOLDEN, "images.npy", npy_header((1 << 20, 1024, 1024, 4), "|u1"))),
    Attack("golden inputs of Python objects", GOLDEN,
           archive(GOLDEN, "score.npy", npy_header((3,), "|O") + pickle.dumps([1, 2, 3]))),
    Attack("golden inputs of records", GOLDEN,
           archive(GOLDEN, "score.npy", npy_header((3,), [("a", "<f4", (1 << 28,))]))),
    Attack("golden inputs with a header of brackets", GOLDEN,
           archive(GOLDEN, "score.npy", b"\x93NUMPY\x01\x00\x00\xf0" + b"(" * 0xF000)),
    Attack("golden inputs with 20,000 entries", GOLDEN, relisted(GOLDEN, crowded)),
    Attack("golden inputs with two ends", GOLDEN, relisted(GOLDEN, large_end)),
    Attack("golden inputs of 64 GiB", GOLDEN, sparse(GOLDEN)),
    Attack("golden inputs that are cut", GOLDEN,
           relisted(GOLDEN, lambda path: os.truncate(path / GOLDEN, 500))),
    Attack("a pipe as golden inputs", GOLDEN, replaced(GOLDEN, os.mkfifo)),
    Attack("/dev/zero as golden inputs", GOLDEN, linked(GOLDEN, "/dev/zero")),
    Attack("scores that unpack to 128 MiB", CALIBRATION,
           archive(CALIBRATION, "good_score.npy", npy_header((1 << 25,)), 1 << 27)),
    Attack("scores that claim 8 EiB", CALIBRATION,
           archive(CALIBRATION, "good_score.npy", npy_header((1 << 61,)))),
    Attack("scores with texts of 1 GiB", CALIBRATION,
           archive(CALIBRATION, "seen.npy", npy_header((0,), f"<U{1 << 28}"))),
    Attack("a pipe as scores", CALIBRATION, replaced(CALIBRATION, os.mkfifo)),
    Attack("a flipped bit of the graph", MODEL, swapped),
    Attack("no graph", MODEL, lambda path: (path / MODEL).unlink()),
    Attack("a graph of 64 GiB", MODEL, sparse(MODEL)),
    Attack("a graph that lies outside", MODEL, outside_file),
    Attack("/etc/passwd as graph", MODEL, linked(MODEL, "/etc/passwd")),
    Attack("a pipe as graph", MODEL, replaced(MODEL, os.mkfifo)),
    Attack("a folder as graph", MODEL, replaced(MODEL, os.mkdir)),
    Attack("weights in an unlisted file", "weights.bin", model_with_data("weights.bin")),
    Attack("weights in a file outside", "../../passwd", model_with_data("../../passwd")),
    Attack("weights of an inner graph", "weights.bin", relisted(MODEL, inner_model)),
    Attack("a compiled engine in an unlisted file", "unlisted.engine",
           relisted(MODEL, compiled_model)),
    Attack("a graph of two million parts", MODEL, relisted(MODEL, crowded_model)),
    Attack("unlisted weights of OpenVINO", "graph.bin", unlisted_weights),
    Attack("a mask of a gigapixel", "roi.png", mask_bomb),
    Attack("a pipe as thresholds", OVERRIDES, replaced(OVERRIDES, os.mkfifo)),
    Attack("/dev/zero as thresholds", OVERRIDES, linked(OVERRIDES, "/dev/zero")),
    Attack("thresholds of 64 GiB", OVERRIDES, sparse(OVERRIDES)),
    Attack("thresholds that lie outside", OVERRIDES, linked(OVERRIDES, "/etc/passwd")),
    Attack("a pipe as host profile", PROFILES, replaced(PROFILES, os.mkfifo)),
    Attack("a host profile nested 60,000 deep", PROFILES, text(PROFILES, DEEP)),
    Attack("a pipe as decision", ACTIVE, model_record(ACTIVE, os.mkfifo)),
    Attack("a decision that lies outside", ACTIVE,
           model_record(ACTIVE, lambda place: place.symlink_to("/etc/passwd"))),
    Attack("a version that lies outside", "parts", moved_out),
)  # fmt: skip


@dataclass(frozen=True)
class Refusal:
    """What became of an attacked bundle.

    Attributes:
        message: of the refusal; empty if the bundle was taken or the process failed.
        seconds: from the beginning of the reading to the refusal.
        mib: largest resident memory of the whole process.
    """

    message: str
    seconds: float
    mib: float

    def holds(self, attack: Attack) -> bool:
        """Whether the file is named, soon and cheaply."""
        named = attack.file in self.message
        return named and self.seconds < MOST_S and self.mib < MOST_MIB


def attacked(attack: Attack, folder: Path, source: Path) -> Path:
    """A copy of a bundle, sealed as today's exporter does and then attacked."""
    path = folder / "models" / "parts" / "1"
    shutil.copytree(source, path)
    manifest = Manifest.parse((path / MANIFEST).read_bytes())
    sizes = {name: (path / name).stat().st_size for name in manifest.files}
    changed = {"name": "parts", "version": "1", "sizes": sizes}
    (path / MANIFEST).write_bytes(manifest.model_copy(update=changed).json_bytes())
    read_as_a_server(path)
    attack.change(path)
    return path


def refusal_of(path: Path, timeout_s: float = 60) -> Refusal:
    """Reads a bundle in a process of its own."""
    command = [sys.executable, "-m", "tests.hostile.read_bundle", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode != 0:
        return Refusal("", timeout_s, float("nan"))
    return Refusal(**json.loads(done.stdout))


def main() -> int:
    """Prints the table; 1 if an attack was not refused as it should be."""
    source = Path(sys.argv[1]) if sys.argv[1:] else SHIPPED
    failed = 0
    print(f"{'attack':52}{'ms':>7}{'MiB':>6}  refusal")
    for attack in ATTACKS:
        with tempfile.TemporaryDirectory(prefix="takt-bundles-") as folder:
            path = attacked(attack, Path(folder), source)
            refusal = refusal_of(path)
            ok = refusal.holds(attack)
            failed += not ok
            message = refusal.message.replace(folder, "…") or "TAKEN, or the process failed"
            row = f"{attack.name:52}{refusal.seconds * 1000:7.1f}{refusal.mib:6.0f}"
            print(f"{row}  {'' if ok else 'FAILED: '}{message[:150]}", flush=True)
    print(f"{len(ATTACKS) - failed} of {len(ATTACKS)} attacks refused by name, each under "
          f"{MOST_S:g} s and {MOST_MIB} MiB")  # fmt: skip
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
