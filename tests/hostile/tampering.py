"""Changes of a bundle by somebody who means harm."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from takt.core.bundles.bundle import GOLDEN, MANIFEST, MODEL
from takt.core.bundles.reading import file_sha256
from tests.manifests import rewrite_manifest

SPARSE_BYTES = 64 << 30

Change = Callable[[Path], object]


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
