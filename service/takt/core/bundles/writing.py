"""Writes bundles: new ones, and later calibrations and variants of those that exist.

Wherever a change stops, the folder holds the former bundle or the new one: new files get new
names and are written first, and the manifest that lists them is replaced last. A change is made to
the bundle as it is by then: while it was prepared, another process may have changed it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from takt.core.bundles.bundle import (
    GOLDEN,
    MANIFEST,
    MODEL,
    Bundle,
    Calibration,
    Golden,
    load_bundle,
)
from takt.core.bundles.files import alone_in, new_folder, write_atomically
from takt.core.bundles.findings import SelfTest
from takt.core.bundles.manifest import CALIBRATION, Manifest, Thresholds
from takt.core.bundles.reading import (
    RECORD_BYTES,
    file_sha256,
    missing,
    read_file,
    surroundings,
)
from takt.core.bundles.signing.provenance import PictureSet
from takt.core.bundles.signing.signature import BundleSignature, write_signature
from takt.core.bundles.variant import Variant
from takt.core.errors import BundleError

_Change = tuple[dict[str, Any], set[str]]
"""Fields of a manifest, and files of the bundle whose place others take."""


def save_bundle(
    path: Path,
    golden: Golden,
    calibration: Calibration,
    write_model: Callable[[Path], object],
    manifest: Callable[[dict[str, str]], Manifest],
    further: Mapping[str, bytes] = MappingProxyType({}),
    key: Ed25519PrivateKey | None = None,
) -> Bundle:
    """Writes a new bundle beside `path` and renames it into place.

    Args:
        path: `<repository>/<name>/<version>`; must not exist.
        golden: model inputs and answers that engines are checked against.
        calibration: the scores behind the thresholds.
        write_model: writes the graph to a path.
        manifest: makes the manifest from the hashes of the other files.
        further: files that only some bundles have, by name.
        key: signs the bundle; it is not signed if None.

    Raises:
        BundleError: the folder exists already.
    """
    if path.exists():
        raise BundleError(f"{path} exists; versions are never changed, so export to a new one")
    with new_folder(path) as unfinished:
        write_model(unfinished / MODEL)
        np.savez_compressed(unfinished / GOLDEN, allow_pickle=False, **vars(golden))
        np.savez_compressed(unfinished / CALIBRATION, allow_pickle=False, **vars(calibration))
        for name, data in further.items():
            (unfinished / name).write_bytes(data)
        files = sorted(unfinished.iterdir())
        written = manifest({file.name: file_sha256(file) for file in files})
        sizes = {file.name: file.stat().st_size for file in files}
        (unfinished / MANIFEST).write_bytes(
            written.model_copy(update={"sizes": sizes}).json_bytes()
        )
        bundle = load_bundle(unfinished)
        signed_by = None if key is None else sign_bundle(bundle, key).key_id
    return replace(bundle, path=path, signed_by=signed_by)


def sign_bundle(bundle: Bundle, key: Ed25519PrivateKey) -> BundleSignature:
    """Signs a bundle, in place of a former signature.

    Args:
        bundle: as it was loaded, and so checked.
        key: that signs.

    Raises:
        BundleError: the manifest was changed since it was loaded.
        OSError: the folder cannot be written to.
    """
    content, manifest = _manifest_now(bundle)
    if manifest != bundle.manifest:
        file = bundle.path / MANIFEST
        raise BundleError(f"{file} was changed while it was to be signed; try again")
    return write_signature(bundle.path, content, key)


def replace_calibration(
    bundle: Bundle,
    calibration: Calibration,
    thresholds: Thresholds,
    map_low: float,
    self_test: SelfTest | None = None,
    pictures: PictureSet | None = None,
) -> Bundle:
    """Gives a bundle other thresholds and the scores behind them; its graph stays.

    Args:
        bundle: as it was loaded.
        calibration: the scores behind the thresholds.
        thresholds: of pictures and of pixels.
        map_low: the new `MapSpec.low`.
        self_test: of the model at these thresholds; None if none was made.
        pictures: good pictures of the calibration, for a bundle whose provenance is known.

    Raises:
        BundleError: the folder holds another model by now.
        OSError: the folder cannot be written to; the former bundle stays.
    """
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **vars(calibration))
    name = f"calibration-{hashlib.sha256(stream.getvalue()).hexdigest()[:12]}.npz"

    def change(former: Manifest) -> _Change:
        origin = former.provenance
        origin = origin and origin.model_copy(update={"calibrated_on": pictures})
        fields = {
            "provenance": origin and origin.model_dump(),
            "map": former.map.model_dump() | {"low": map_low},
            "thresholds": thresholds.model_dump(),
            "calibration": name,
            "self_test": None if self_test is None else self_test.model_dump(),
        }
        return fields, {former.calibration}

    return _changed(bundle, change, {name: stream.getvalue()})


def add_variant(bundle: Bundle, variant: Variant, files: Mapping[str, bytes]) -> Bundle:
    """Adds a variant to a bundle, in place of one of the same name.

    Args:
        bundle: as it was loaded.
        variant: its `files` are the given ones; its `model` is one of them or the bundle's own.
        files: contents by name; a name states its content, such as by a digest.

    Raises:
        BundleError: the variant's files are others than those given, or the folder holds another
            model by now.
        OSError: the folder cannot be written to; the former bundle stays.
    """
    if set(files) != set(variant.files):
        raise BundleError(f"variant {variant.name} has files {variant.files}, not {tuple(files)}")

    def change(former: Manifest) -> _Change:
        others = tuple(one for one in former.variants if one.name != variant.name)
        replaced = {name for one in former.variants if one not in others for name in one.files}
        return {"variants": [one.model_dump() for one in (*others, variant)]}, replaced

    return _changed(bundle, change, files)


def _changed(
    bundle: Bundle, change: Callable[[Manifest], _Change], added: Mapping[str, bytes]
) -> Bundle:
    """Changes fields of the manifest and the files that it lists.

    Args:
        bundle: as it was loaded.
        change: gives fields, and the files whose place others take, for the manifest of now.
        added: contents of new files by name.
    """
    path = bundle.path
    with alone_in(path):
        _, former = _manifest_now(bundle)
        if any(former.files.get(one) != bundle.manifest.files.get(one) for one in (MODEL, GOLDEN)):
            raise BundleError(f"{path} holds another model by now: give the command again")
        fields, replaced = change(former)
        files = {name: digest for name, digest in former.files.items() if name not in replaced}
        files |= {name: hashlib.sha256(data).hexdigest() for name, data in added.items()}
        # Whoever listed a file had checked it, so that its size is what was exported.
        sizes = {
            name: len(added[name]) if name in added else (path / name).stat().st_size
            for name in files
        }
        manifest = Manifest.model_validate(
            former.model_dump() | fields | {"files": files, "sizes": sizes}
        )
        for name, data in added.items():
            write_atomically(path / name, data)
        write_atomically(path / MANIFEST, manifest.json_bytes())
        for name in replaced - set(added):
            with contextlib.suppress(OSError):
                (path / name).unlink()
    return load_bundle(path, bundle.repository)


def _manifest_now(bundle: Bundle) -> tuple[bytes, Manifest]:
    """The manifest that a bundle's folder has by now, and its content.

    Raises:
        BundleError: it is missing or damaged.
    """
    file = bundle.path / MANIFEST
    try:
        content = read_file(file, surroundings(bundle.path, bundle.repository), RECORD_BYTES)
    except FileNotFoundError:
        raise missing(file) from None
    return content, Manifest.checked(content, file, BundleError)
