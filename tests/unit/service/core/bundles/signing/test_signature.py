"""A bundle is what a trusted key has signed, to the bit, or it is refused by name."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from takt.core.bundles.bundle import GOLDEN, MANIFEST, MODEL, Bundle, Calibration, load_bundle
from takt.core.bundles.manifest import CALIBRATION, Thresholds
from takt.core.bundles.region import ROI_MASK
from takt.core.bundles.signing.keys import key_id
from takt.core.bundles.signing.signature import SIGNATURE, TrustedKeys
from takt.core.bundles.writing import add_variant, replace_calibration, sign_bundle
from takt.core.errors import BundleError, TaktError
from tests.manifests import rewrite_manifest
from tests.signing import FOREIGN, NEXT, OURS, flipped, public_pem, trusted
from tests.unit.service.core.bundles.test_writing_variants import variant_of

LISTED = (MODEL, GOLDEN, CALIBRATION, "a.xml", "a.bin")
OUR_NAME, FOREIGN_NAME = (key_id(key.public_key()) for key in (OURS, FOREIGN))


@pytest.fixture
def keys(tmp_path: Path) -> TrustedKeys:
    return TrustedKeys(trusted(tmp_path / "keys", OURS))


@pytest.fixture
def signed(bundle: Bundle) -> Bundle:
    """A bundle with every kind of file that there is, signed by us."""
    files = {"a.xml": b"graph", "a.bin": b"weights"}
    changed = add_variant(bundle, variant_of("openvino-int8", *files), files)
    sign_bundle(changed, OURS)
    return changed


def read(bundle: Bundle, keys: TrustedKeys) -> str | None:
    """Loads a bundle as a server with keys does."""
    loaded = load_bundle(bundle.path, bundle.path.parent.parent, keys)
    loaded.close()
    return loaded.signed_by


def refusal(bundle: Bundle, keys: TrustedKeys) -> str:
    with pytest.raises(BundleError) as caught:
        read(bundle, keys)
    return str(caught.value)


def test_a_bundle_that_a_trusted_key_has_signed_is_taken(signed: Bundle, keys: TrustedKeys) -> None:
    assert read(signed, keys) == OUR_NAME


def test_a_bundle_without_a_signature_is_refused(bundle: Bundle, keys: TrustedKeys) -> None:
    assert f"{bundle.path} is not signed" in refusal(bundle, keys)


def test_a_bundle_by_another_key_is_refused_by_the_key(signed: Bundle, keys: TrustedKeys) -> None:
    sign_bundle(signed, FOREIGN)

    assert f"{SIGNATURE} is by the key {FOREIGN_NAME}, which is not trusted" in refusal(
        signed, keys
    )


def test_another_key_under_the_name_of_a_trusted_one_is_refused(
    signed: Bundle, keys: TrustedKeys
) -> None:
    sign_bundle(signed, FOREIGN)
    file = signed.path / SIGNATURE
    file.write_text(file.read_text().replace(FOREIGN_NAME, OUR_NAME))

    assert f"{MANIFEST} is not what the key {OUR_NAME} has signed" in refusal(signed, keys)


def taken(signed: Bundle, keys: TrustedKeys, name: str, bits: Iterable[int]) -> list[int]:
    """The bits of a file that could be flipped, of those that are tried."""
    within = (signed.path.parent.parent,)
    whole = {one: (signed.path / one).read_bytes() for one in (MANIFEST, SIGNATURE)}
    found = []
    for bit in bits:
        changed = {**whole, name: flipped(whole[name], bit)}
        (signed.path / SIGNATURE).write_bytes(changed[SIGNATURE])
        try:
            keys.signer_of(signed.path, changed[MANIFEST], within)
        except BundleError as error:
            assert SIGNATURE in str(error) or MANIFEST in str(error)
        else:
            found.append(bit)
    (signed.path / SIGNATURE).write_bytes(whole[SIGNATURE])
    return found


@pytest.mark.parametrize(
    ("name", "step"),
    [
        # Steps that are prime meet every bit of a byte, and every part of the file.
        (SIGNATURE, 7),
        (MANIFEST, 61),
        pytest.param(SIGNATURE, 1, marks=pytest.mark.slow),
        pytest.param(MANIFEST, 1, marks=pytest.mark.slow),
    ],
)
def test_no_bit_of_a_signature_or_a_manifest_can_be_flipped(
    signed: Bundle, keys: TrustedKeys, name: str, step: int
) -> None:
    bits = range(0, 8 * (signed.path / name).stat().st_size, step)

    assert len(bits) > 200
    assert taken(signed, keys, name, bits) == []


@pytest.mark.parametrize("name", [*LISTED, MANIFEST, SIGNATURE])
def test_a_flipped_bit_in_any_file_is_refused_by_name(
    signed: Bundle, keys: TrustedKeys, name: str
) -> None:
    content = (signed.path / name).read_bytes()
    rng = np.random.default_rng(0)
    bits = {0, 8 * len(content) - 1, *rng.integers(0, 8 * len(content), 10).tolist()}
    assert set(signed.manifest.files) == set(LISTED)

    for bit in bits:
        (signed.path / name).write_bytes(flipped(content, bit))
        assert name in refusal(signed, keys)

    (signed.path / name).write_bytes(content)
    assert read(signed, keys) == OUR_NAME


@pytest.mark.parametrize("name", [*LISTED, MANIFEST, SIGNATURE])
def test_a_file_that_is_missing_is_refused_by_name(
    signed: Bundle, keys: TrustedKeys, name: str
) -> None:
    (signed.path / name).unlink()

    assert name in refusal(signed, keys)


def test_a_mask_of_the_region_of_interest_is_covered(
    make_bundle: Callable[..., Bundle], keys: TrustedKeys
) -> None:
    """Every file that is read is a listed one; the manifest cannot name a mask otherwise."""
    with pytest.raises(ValueError, match=f"needs {re.escape(ROI_MASK)}, which is not listed"):
        make_bundle(roi={"mask": ROI_MASK, "share": 0.5, "outside": -1.0})


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.pop("digest"),
        lambda fields: (fields.pop("digest"), fields.pop("sizes")),
        lambda fields: fields["thresholds"].update(image=9.0),
        lambda fields: fields["files"].popitem(),
        lambda fields: fields.update(version="2"),
        lambda fields: None,
    ],
    ids=["no digest", "from before digests", "threshold", "a file less", "version", "layout"],
)
def test_a_manifest_that_is_right_in_itself_is_no_way_round(
    signed: Bundle, keys: TrustedKeys, change: Callable[[dict[str, object]], object]
) -> None:
    rewrite_manifest(signed.path, change)

    assert f"{MANIFEST} is not what the key {OUR_NAME} has signed" in refusal(signed, keys)


def test_a_signature_of_another_bundle_does_not_fit(
    signed: Bundle, make_bundle: Callable[..., Bundle], keys: TrustedKeys
) -> None:
    other = make_bundle(version="2")
    shutil.copy(signed.path / SIGNATURE, other.path)

    assert f"{MANIFEST} is not what the key {OUR_NAME} has signed" in refusal(other, keys)


def test_a_signature_that_is_no_record_is_refused(signed: Bundle, keys: TrustedKeys) -> None:
    file = signed.path / SIGNATURE
    fields = json.loads(file.read_text())
    for changed in (
        {**fields, "algorithm": "none"},
        {**fields, "format_version": 2},
        {**fields, "signature": fields["signature"].upper()},
        {**fields, "signature": ""},
        {**fields, "key_id": ""},
        {**fields, "more": 1},
        [],
    ):
        file.write_text(json.dumps(changed))
        assert SIGNATURE in refusal(signed, keys)


def test_a_signature_outside_the_repository_is_not_read(
    signed: Bundle, keys: TrustedKeys, tmp_path: Path
) -> None:
    outside = (signed.path / SIGNATURE).rename(tmp_path / "elsewhere.json")
    (signed.path / SIGNATURE).symlink_to(outside)

    assert "leads out of the model repository" in refusal(signed, keys)


def test_keys_rotate(signed: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "rotating"
    folder.mkdir()
    old, new = folder / "old.pem", folder / "new.pem"
    old.write_bytes(public_pem(OURS))
    keys = TrustedKeys(folder)
    assert read(signed, keys) == OUR_NAME

    new.write_bytes(public_pem(NEXT))
    assert read(signed, keys) == OUR_NAME
    old.unlink()
    assert f"is by the key {OUR_NAME}, which is not trusted" in refusal(signed, keys)

    sign_bundle(signed, NEXT)
    assert read(signed, keys) == key_id(NEXT.public_key())


def test_without_keys_no_signature_is_looked_at(signed: Bundle) -> None:
    (signed.path / SIGNATURE).write_text("nothing of the kind")

    loaded = load_bundle(signed.path)

    assert (loaded.signed_by, loaded.copy) == (None, None)


def test_a_later_calibration_or_variant_needs_another_signature(
    signed: Bundle, keys: TrustedKeys
) -> None:
    scores = np.linspace(0.1, 0.4, 40, dtype=np.float32)
    none = np.zeros(0, np.float32)
    thresholds = Thresholds(image=0.4, pixel=0.4, method="anew", good_count=40)
    changes: list[Callable[[], Bundle]] = [
        lambda: replace_calibration(
            signed, Calibration(scores, scores, none, none), thresholds, 0.2
        ),
        lambda: add_variant(signed, variant_of("int8", "b.xml"), {"b.xml": b"2"}),
    ]
    for change in changes:
        changed = change()
        assert f"{MANIFEST} is not what the key {OUR_NAME} has signed" in refusal(changed, keys)
        sign_bundle(changed, OURS)
        assert read(changed, keys) == OUR_NAME
        signed = changed


def test_a_manifest_that_changes_meanwhile_is_not_signed(bundle: Bundle) -> None:
    rewrite_manifest(bundle.path, lambda fields: fields["thresholds"].update(image=9.0))

    with pytest.raises(BundleError, match="was changed while it was to be signed"):
        sign_bundle(bundle, OURS)
    assert not (bundle.path / SIGNATURE).exists()


def test_keys_that_cannot_be_read_let_nothing_through(signed: Bundle, tmp_path: Path) -> None:
    with pytest.raises(TaktError, match="there is no key"):
        read(signed, TrustedKeys(tmp_path / "absent"))


def test_other_tools_can_check_a_signature(signed: Bundle) -> None:
    """It is a plain Ed25519 signature over the file."""
    found = json.loads((signed.path / SIGNATURE).read_text())

    OURS.public_key().verify(
        bytes.fromhex(found["signature"]), (signed.path / MANIFEST).read_bytes()
    )
