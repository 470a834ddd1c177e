"""What was vouched for is what runs, whatever becomes of the files in the repository."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest

from takt.core.bundles.bundle import GOLDEN, MODEL, Bundle, load_bundle
from takt.core.bundles.manifest import CALIBRATION
from takt.core.bundles.signing import private_copy
from takt.core.bundles.signing.signature import TrustedKeys
from takt.core.bundles.writing import add_variant, sign_bundle
from takt.core.engines.opener import engine_opener
from takt.core.engines.options import EngineOptions
from takt.core.errors import BundleError
from tests.conftest import brightness_graph
from tests.signing import OURS, trusted
from tests.unit.service.core.bundles.test_writing_variants import variant_of


@pytest.fixture
def keys(tmp_path: Path) -> TrustedKeys:
    return TrustedKeys(trusted(tmp_path / "keys", OURS))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, in which nothing lies yet."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_graph_that_is_exchanged_later_never_runs(bundle: Bundle, keys: TrustedKeys) -> None:
    sign_bundle(bundle, OURS)
    with closing(load_bundle(bundle.path, None, keys)) as loaded:
        onnx.save(brightness_graph(scale=0.0), bundle.path / MODEL)

        with closing(engine_opener(EngineOptions(engine="onnxruntime"))(loaded).engine) as engine:
            found = engine.infer(loaded.golden.images).score

    np.testing.assert_allclose(found, loaded.golden.score, atol=1e-6)


def test_a_variant_is_opened_from_the_copy_too(bundle: Bundle, keys: TrustedKeys) -> None:
    graph = (bundle.path / MODEL).read_bytes()
    one = variant_of("mine", "b.onnx", engine="onnxruntime", precision="fp32")
    sign_bundle(add_variant(bundle, one, {"b.onnx": graph}), OURS)
    with closing(load_bundle(bundle.path, None, keys)) as loaded:
        (bundle.path / "b.onnx").write_bytes(b"nothing of the kind")

        with closing(engine_opener(EngineOptions(engine="mine"))(loaded).engine) as engine:
            found = engine.infer(loaded.golden.images).score

    np.testing.assert_allclose(found, loaded.golden.score, atol=1e-6)


@pytest.mark.parametrize("name", [MODEL, GOLDEN, CALIBRATION])
def test_a_file_that_changes_while_it_is_copied_is_what_is_checked(
    bundle: Bundle, keys: TrustedKeys, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    sign_bundle(bundle, OURS)
    take = private_copy.PrivateCopy.take

    def changing(self: private_copy.PrivateCopy, file: str, stream: object) -> object:
        if file == name:
            with (bundle.path / name).open("r+b") as written:
                written.seek(40)
                written.write(b"\xff\xff\xff")
        return take(self, file, stream)  # type: ignore[arg-type]

    monkeypatch.setattr(private_copy.PrivateCopy, "take", changing)

    with pytest.raises(BundleError, match=f"{name} is not the file that was exported"):
        load_bundle(bundle.path, None, keys)


def test_a_file_that_changes_after_it_was_copied_is_not_read_again(
    bundle: Bundle, keys: TrustedKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_bundle(bundle, OURS)
    take = private_copy.PrivateCopy.take

    def changing(self: private_copy.PrivateCopy, file: str, stream: object) -> object:
        taken = take(self, file, stream)  # type: ignore[arg-type]
        (bundle.path / file).write_bytes(b"nothing of the kind")
        return taken

    monkeypatch.setattr(private_copy.PrivateCopy, "take", changing)

    with closing(load_bundle(bundle.path, None, keys)) as loaded:
        np.testing.assert_array_equal(loaded.golden.images, bundle.golden.images)


def test_the_copy_is_for_this_user_alone_and_goes_with_the_bundle(
    bundle: Bundle, keys: TrustedKeys, temporary: Path
) -> None:
    sign_bundle(bundle, OURS)
    loaded = load_bundle(bundle.path, None, keys)
    (copy,) = temporary.iterdir()

    assert copy.stat().st_mode & 0o777 == 0o700
    assert {one.name for one in copy.iterdir()} == set(bundle.manifest.files)
    assert loaded.model_path.parent == copy
    loaded.close()
    loaded.close()
    assert list(temporary.iterdir()) == []


def test_a_bundle_that_nobody_closes_leaves_no_copy(
    bundle: Bundle, keys: TrustedKeys, temporary: Path
) -> None:
    sign_bundle(bundle, OURS)
    loaded = load_bundle(bundle.path, None, keys)
    del loaded

    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("signed", [True, False])
def test_a_bundle_that_is_refused_leaves_no_copy(
    bundle: Bundle, keys: TrustedKeys, temporary: Path, signed: bool
) -> None:
    if signed:
        sign_bundle(bundle, OURS)
        (bundle.path / MODEL).write_bytes(b"nothing of the kind")

    with pytest.raises(BundleError):
        load_bundle(bundle.path, None, keys)

    assert list(temporary.iterdir()) == []


def test_without_keys_nothing_is_copied(bundle: Bundle, temporary: Path) -> None:
    loaded = load_bundle(bundle.path)

    assert loaded.model_path == bundle.path / MODEL
    assert list(temporary.iterdir()) == []


def test_a_full_disk_is_told_with_what_to_do(
    bundle: Bundle, keys: TrustedKeys, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_bundle(bundle, OURS)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(private_copy, "chunks_of", full)
    with pytest.raises(BundleError, match="No space left on device; set TMPDIR"):
        load_bundle(bundle.path, None, keys)
    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(BundleError, match="No space left on device; set TMPDIR"):
        load_bundle(bundle.path, None, keys)
    assert list(temporary.iterdir()) == []


def test_a_mask_is_read_from_the_copy(
    make_bundle: Callable[..., Bundle], keys: TrustedKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cv2

    from takt.core.bundles import writing
    from takt.core.pictures.roi import roi_on_map

    mask = np.zeros((8, 8), np.uint8)
    mask[:, 4:] = 255
    png = cv2.imencode(".png", mask)[1].tobytes()
    save = writing.save_bundle
    monkeypatch.setattr(
        "tests.conftest.save_bundle", lambda *given: save(*given[:-1], {"roi.png": png}, OURS)
    )
    bundle = make_bundle(roi={"mask": "roi.png", "share": 0.5, "outside": -1.0})
    assert bundle.signed_by is not None
    with closing(load_bundle(bundle.path, bundle.path.parents[1], keys)) as loaded:
        (bundle.path / "roi.png").write_bytes(b"nothing of the kind")
        inside = roi_on_map(loaded)

    assert inside is not None
    assert inside.mean() == 0.5
