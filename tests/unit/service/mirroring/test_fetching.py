"""What a manifest from elsewhere may make the mirror do."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from takt.core.bundles.content.listed_files import MOST_FILES
from takt.core.bundles.signing.signature import write_signature
from takt.core.bundles.strict_model import sealing_digest
from tests.signing import FOREIGN, OURS, public_pem
from tests.unit.service.mirroring.conftest import Mirrored

Change = Callable[[dict], None]


@pytest.fixture
def found(mirrored: Callable[..., Mirrored], make_bundle) -> Mirrored:
    make_bundle()
    return mirrored()


def reseal(found: Mirrored, change: Change) -> None:
    """Changes the manifest there, as somebody would who writes bundles himself."""
    file = found.there / "parts/1/manifest.json"
    fields = json.loads(file.read_text())
    change(fields)
    fields["digest"] = sealing_digest(fields)
    file.write_text(json.dumps(fields))


def refusal(found: Mirrored) -> str:
    found.mirror.look()
    assert found.versions == []
    left = [path for path in found.here.rglob("*") if path.name not in (".lock", "mirror.json")]
    assert left == []
    return found.mirror.refused["parts/1"]


def listing(name: str) -> Change:
    def change(fields: dict) -> None:
        fields["files"][name] = "0" * 64
        fields["sizes"][name] = 1

    return change


@pytest.mark.parametrize(
    "name", ["../../../escaped", "/etc/passwd", "a/b", "..", ".hidden", "a\x00b", "a\nb", "ü", ""]
)
def test_a_file_outside_the_version_is_refused(found: Mirrored, name: str, tmp_path: Path) -> None:
    reseal(found, listing(name))

    assert "names a file outside the bundle" in refusal(found)
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize("name", ["thresholds.json", "manifest.json", "signature.json"])
def test_a_manifest_lists_none_of_the_files_that_are_decided_here(
    found: Mirrored, name: str
) -> None:
    reseal(found, listing(name))

    assert f"the manifest lists {name}" in refusal(found)


def test_too_many_files_are_refused_before_one_comes(found: Mirrored) -> None:
    def change(fields: dict) -> None:
        for number in range(MOST_FILES):
            listing(f"weights-{number}.bin")(fields)

    reseal(found, change)
    assert f"more than {MOST_FILES} files" in refusal(found)


def test_a_file_that_is_far_too_large_is_refused_before_it_comes(found: Mirrored) -> None:
    reseal(found, lambda fields: fields["sizes"].update({"golden.npz": 1 << 40}))

    assert "golden.npz has 1099511627776 bytes" in refusal(found)


def test_a_version_that_the_disk_has_no_room_for_is_refused_before_it_comes(
    found: Mirrored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(found.mirror._folder), "free_bytes", lambda _: 256 << 20)

    assert "there is room for 0 MiB" in refusal(found)


def test_a_file_that_is_larger_than_its_manifest_says_ends_there(found: Mirrored) -> None:
    graph = found.there / "parts/1/model.onnx"
    size = graph.stat().st_size
    graph.write_bytes(graph.read_bytes() + b"more")

    assert f"more than the {size} bytes" in refusal(found)


def test_a_file_that_is_smaller_than_its_manifest_says_is_refused(found: Mirrored) -> None:
    graph = found.there / "parts/1/model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])

    assert "bytes instead of" in refusal(found)


def test_a_link_is_followed_for_its_content_and_never_made(found: Mirrored) -> None:
    graph = found.there / "parts/1/model.onnx"
    graph.rename(found.there.parent / "elsewhere.onnx")
    graph.symlink_to(found.there.parent / "elsewhere.onnx")

    found.mirror.look()
    assert found.versions == ["parts/1"]
    assert not [path for path in found.here.rglob("*") if path.is_symlink()]


def test_a_manifest_that_is_no_manifest_is_refused(found: Mirrored) -> None:
    (found.there / "parts/1/manifest.json").write_bytes(b"<html>please sign in</html>")
    assert "manifest.json" in refusal(found)


def test_with_trusted_keys_only_what_one_of_them_has_signed_comes(
    mirrored: Callable[..., Mirrored], make_bundle, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.pem"
    keys.write_bytes(public_pem(OURS))
    there = make_bundle().path
    found = mirrored(keys)
    reason = refusal(found)
    assert "is not signed" in reason and "incoming" not in reason
    assert found.store.shown("parts/1") in reason

    manifest = (there / "manifest.json").read_bytes()
    write_signature(there, manifest, FOREIGN)
    found.now_s = 100
    assert "not trusted" in refusal(found)

    write_signature(there, manifest, OURS)
    found.now_s = 200
    found.mirror.look()
    assert found.versions == ["parts/1"]
    assert (found.here / "parts/1/signature.json").exists()


def test_thresholds_that_lie_beside_a_version_there_do_not_come(found: Mirrored) -> None:
    (found.there / "parts/1/thresholds.json").write_text("{}")
    (found.there / "parts/1/card.md").write_text("# A card")

    found.mirror.look()
    here = {path.name for path in (found.here / "parts/1").iterdir()}
    assert "thresholds.json" not in here and "card.md" in here
