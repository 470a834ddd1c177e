"""Bundles that somebody has tampered with, and a command that tells how they are refused.

    python -m tests.hostile.bundles [FOLDER]

copies a bundle (the shipped one unless another is named), attacks each copy in another way, and
reads it in a process of its own, as a server does. It prints whether the file was named, how long
the refusal took and how large the process was, and ends with 1 if a copy was taken or a bar missed.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from service.bundles.bundle import GOLDEN, MANIFEST, MODEL
from service.bundles.host_profile import PROFILES
from service.bundles.manifest import CALIBRATION, Manifest
from service.bundles.reading import file_sha256
from service.bundles.thresholds import OVERRIDES
from service.repository.activation import ACTIVE
from tests.hostile.read_bundle import read_as_a_server
from tests.manifests import rewrite_manifest

MOST_S = 1.0
MOST_MIB = 100
SHIPPED = Path(__file__).parents[2] / "examples" / "models" / "pitting" / "1"
SPARSE_BYTES = 64 << 30

Change = Callable[[Path], object]


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


def relisted(file: str, write: Change) -> Change:
    """A file that is written anew, with a digest and a size that fit."""

    def change(path: Path) -> None:
        write(path)
        digest = file_sha256(path / file)
        rewrite_manifest(path, lambda manifest: manifest["files"].update({file: digest}))

    return change


def replaced(file: str, make: Change) -> Change:
    """A file that is taken away before something else is put in its place."""

    def change(path: Path) -> None:
        (path / file).unlink(missing_ok=True)
        make(path / file)

    return change


def linked(file: str, target: str) -> Change:
    return replaced(file, lambda place: place.symlink_to(target))


def sparse(file: str) -> Change:
    def make(place: Path) -> None:
        place.touch()
        os.truncate(place, SPARSE_BYTES)

    return replaced(file, make)


def fields(**changed: Any) -> Change:
    """A manifest with other fields, whose digest fits."""
    return lambda path: rewrite_manifest(path, lambda manifest: manifest.update(changed))


def text(file: str, content: str) -> Change:
    return lambda path: (path / file).write_text(content)


def unsealed(**thresholds: float) -> Change:
    """A manifest with other thresholds and the former digest."""

    def change(path: Path) -> None:
        manifest = json.loads((path / MANIFEST).read_bytes())
        manifest["thresholds"] |= thresholds
        (path / MANIFEST).write_text(json.dumps(manifest))

    return change


def edited(old: str, new: str) -> Change:
    """A manifest in which a text stands for another, as by an editor."""

    def change(path: Path) -> None:
        content = (path / MANIFEST).read_text()
        assert old in content, f"the manifest has no {old}"
        (path / MANIFEST).write_text(content.replace(old, new, 1))

    return change


def npy_header(shape: tuple[int, ...], descr: object = "<f4") -> bytes:
    stream = io.BytesIO()
    facts = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, facts)  # type: ignore[arg-type]
    return stream.getvalue()


def archive(file: str, entry: str, head: bytes, zeros: int = 0) -> Change:
    """An npz file in which one array is replaced by a header and as many zeros as are given."""

    def write(path: Path) -> None:
        with zipfile.ZipFile(path / file) as stored:
            others = {name: stored.read(name) for name in stored.namelist() if name != entry}
        with zipfile.ZipFile(path / file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
            for name, data in others.items():
                made.writestr(name, data)
            with made.open(entry, "w", force_zip64=True) as member:
                member.write(head)
                for start in range(0, zeros, 1 << 24):
                    member.write(bytes(min(1 << 24, zeros - start)))

    return relisted(file, write)


def crowded(path: Path) -> None:
    with zipfile.ZipFile(path / GOLDEN, "a") as made:
        for index in range(20_000):
            made.writestr(f"{index}", b"")


def large_end(path: Path) -> None:
    """The end of a ZIP file that has another, larger end before it."""
    data = (path / GOLDEN).read_bytes()
    (path / GOLDEN).write_bytes(data[:-22] + b"PK\x06\x07" + bytes(16) + data[-22:])


def model_with_data(location: str, *, listed: bool = False) -> Change:
    """A graph whose weights lie in another file."""

    def write(path: Path) -> None:
        model = onnx.load(path / MODEL, load_external_data=False)
        tensor = TensorProto(name="outside", data_type=TensorProto.FLOAT, dims=[4])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        model.graph.initializer.append(tensor)
        onnx.save(model, path / MODEL)
        if "/" not in location:
            (path / location).write_bytes(bytes(16))

    def change(path: Path) -> None:
        relisted(MODEL, write)(path)
        if listed:
            relisted(location, lambda _: None)(path)

    return change


def inner_model(path: Path) -> None:
    """Weights in another file, named by a tensor in a graph within a graph."""
    tensor = TensorProto(name="outside", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    constant = helper.make_node("Constant", [], ["w"], value=tensor)
    branch = helper.make_graph([constant], "branch", [], [])
    model = onnx.load(path / MODEL)
    model.graph.node.append(helper.make_node("If", ["c"], ["d"], then_branch=branch))
    onnx.save(model, path / MODEL)


def compiled_model(path: Path) -> None:
    model = onnx.load(path / MODEL)
    node = helper.make_node("EPContext", ["images"], ["score"], embed_mode=0)
    node.attribute.append(helper.make_attribute("ep_cache_context", "unlisted.engine"))
    model.graph.node.append(node)
    onnx.save(model, path / MODEL)


def crowded_model(path: Path) -> None:
    """Millions of parts, and a name for which they have to be looked at."""
    node = b"\x22\x08location" + b"\x08\x00" * 2_000_000
    size, length = len(node), b""
    while size:
        length += bytes([size & 0x7F | (0x80 if size > 0x7F else 0)])
        size >>= 7
    (path / MODEL).write_bytes(b"\x3a" + length + node)


def unlisted_weights(path: Path) -> None:
    (path / "graph.xml").write_text("<net/>")
    (path / "graph.bin").write_bytes(bytes(64))
    digest = file_sha256(path / "graph.xml")
    rewrite_manifest(path, lambda manifest: manifest["files"].update({"graph.xml": digest}))


def mask_bomb(path: Path) -> None:
    """A PNG of a gigapixel, of which a header is all there is."""
    header = bytes.fromhex("89504e470d0a1a0a0000000d49484452 00008000 00008000 0800000000")
    (path / "roi.png").write_bytes(header + bytes(64))
    roi = {"mask": "roi.png", "share": 0.5, "outside": 0.0}
    rewrite_manifest(path, lambda manifest: manifest.update(roi=roi))
    relisted("roi.png", lambda _: None)(path)


def moved_out(path: Path) -> None:
    """A version that lies elsewhere, behind a link."""
    elsewhere = path.parents[2] / "elsewhere"
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere)


def outside_file(path: Path) -> None:
    """A graph that lies elsewhere, with the right content."""
    elsewhere = path.parents[2] / "model.onnx"
    shutil.move(path / MODEL, elsewhere)
    (path / MODEL).symlink_to(elsewhere)


def swapped(path: Path) -> None:
    data = bytearray((path / MODEL).read_bytes())
    data[len(data) // 2] ^= 1
    (path / MODEL).write_bytes(data)


def model_record(file: str, make: Change) -> Change:
    """A file of the model, beside its versions."""
    return lambda path: make(path.parent / file)


DEEP = "[" * 60_000
NUMBERS = '{"notes": [' + "1," * 30_000 + "1]}"
CROWD = '{"notes": [' + "[]," * 340_000 + "[]]}"

ATTACKS = (
    Attack("another threshold in the manifest", MANIFEST, unsealed(image=0.9)),
    Attack("a name twice in the manifest", MANIFEST, edited('"name":', '"name": "b", "name":')),
    Attack("a manifest of 64 GiB", MANIFEST, sparse(MANIFEST)),
    Attack("a manifest nested 60,000 deep", MANIFEST, text(MANIFEST, DEEP)),
    Attack("a manifest of 340,000 wrong values", MANIFEST, text(MANIFEST, CROWD)),
    Attack("a manifest of 30,000 wrong values", MANIFEST, text(MANIFEST, NUMBERS)),
    Attack("a picture resized to a terapixel", MANIFEST, fields(preprocess={
        "width": 10**6, "height": 10**6, "resize": "area",
        "crop": {"x": 0, "y": 0, "width": 32, "height": 32}})),
    Attack("a pipe as manifest", MANIFEST, replaced(MANIFEST, os.mkfifo)),
    Attack("/dev/zero as manifest", MANIFEST, linked(MANIFEST, "/dev/zero")),
    Attack("a link to itself as manifest", MANIFEST, linked(MANIFEST, MANIFEST)),
    Attack("a listed name that leads out", "../secret", fields(files={
        MODEL: "0", GOLDEN: "0", CALIBRATION: "0", "../secret": "0"})),
    Attack("10,000 listed files", "64 files", fields(files={
        name: "0" for name in (MODEL, GOLDEN, CALIBRATION, *map(str, range(10_000)))})),
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
