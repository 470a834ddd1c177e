from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from takt.core.bundles.signing.keys import (
    is_encrypted,
    key_id,
    read_private_key,
    read_public_keys,
)
from takt.core.errors import ConfigurationError
from tests.signing import NEXT, OURS, private_pem, public_pem

CURVE = ec.generate_private_key(ec.SECP256R1())


def openssl(*arguments: str | Path) -> bytes:
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_what_openssl_makes_is_read_and_has_the_name_that_it_tells(tmp_path: Path) -> None:
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", public)
    der = openssl("pkey", "-pubin", "-in", public, "-outform", "DER")

    (name,) = read_public_keys(public)

    assert name == key_id(read_private_key(private).public_key())
    assert name == hashlib.sha256(der).hexdigest()[:16]


def test_a_folder_and_a_file_may_hold_several_keys(tmp_path: Path) -> None:
    names = {key_id(key.public_key()) for key in (OURS, NEXT)}
    (tmp_path / "both.pem").write_bytes(public_pem(OURS, NEXT))
    apart = tmp_path / "apart"
    apart.mkdir()
    for name, key in (("old.pem", OURS), ("new.pem", NEXT)):
        (apart / name).write_bytes(public_pem(key))
    (apart / "README").write_text("which key is whose")

    assert set(read_public_keys(tmp_path / "both.pem")) == names
    assert set(read_public_keys(apart)) == names


def test_keys_in_a_volume_of_kubernetes_are_read(tmp_path: Path) -> None:
    stored = tmp_path / "..2026_01_01"
    stored.mkdir()
    (stored / "ours.pem").write_bytes(public_pem(OURS))
    (tmp_path / "..data").symlink_to(stored.name)
    (tmp_path / "ours.pem").symlink_to("..data/ours.pem")

    assert set(read_public_keys(tmp_path)) == {key_id(OURS.public_key())}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "holds no key in PEM"),
        (b"ssh-ed25519 AAAA", "holds no key in PEM"),
        (private_pem(OURS), "holds a private key"),
        (public_pem(OURS) + private_pem(NEXT), "holds a private key"),
        (public_pem(OURS).replace(b"MCow", b"MC0w"), "is no public key in PEM"),
        (
            CURVE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "holds a public key, but none of Ed25519",
        ),
    ],
)
def test_what_is_no_public_key_of_ours_is_refused(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(content)

    for place in (file, tmp_path):
        with pytest.raises(ConfigurationError, match=rf"key\.pem {complaint}"):
            read_public_keys(place)


def test_no_key_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no key"):
        read_public_keys(tmp_path)
    with pytest.raises(ConfigurationError, match="there is no key"):
        read_public_keys(tmp_path / "absent.pem")


def test_an_encrypted_key_needs_its_passphrase(tmp_path: Path) -> None:
    file = tmp_path / "private.pem"
    file.write_bytes(private_pem(OURS, b"correct horse"))

    assert is_encrypted(file)
    assert read_private_key(file, b"correct horse").private_bytes_raw() == OURS.private_bytes_raw()
    for wrong in (None, b"battery"):
        with pytest.raises(ConfigurationError, match="is no private key in PEM"):
            read_private_key(file, wrong)


def test_what_is_no_private_key_of_ours_does_not_sign(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    curve = CURVE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content, complaint in ((public_pem(OURS), "no private key"), (curve, "none of Ed25519")):
        file.write_bytes(content)
        assert not is_encrypted(file)
        with pytest.raises(ConfigurationError, match=complaint):
            read_private_key(file)
