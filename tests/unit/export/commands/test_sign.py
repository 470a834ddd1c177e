from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from takt.core.bundles.bundle import MODEL, Bundle
from takt.core.bundles.signing.keys import key_id
from takt.core.bundles.signing.signature import SIGNATURE
from takt_export.commands.calibrate import calibrate
from takt_export.commands.export import export
from takt_export.commands.import_onnx import import_
from takt_export.commands.learn import learn
from takt_export.commands.sign import sign, sign_or_warn
from takt_export.commands.verify import verify
from tests.signing import FOREIGN, OURS, private_pem, trusted

OUR_NAME = key_id(OURS.public_key())


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "private.pem"
    file.write_bytes(private_pem(OURS))
    return file


def run(command: click.Command, *arguments: object, said: str | None = None) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], input=said)


def test_what_is_signed_by_one_key_is_verified_by_it_and_by_no_other(
    bundle: Bundle, key: Path, tmp_path: Path
) -> None:
    unsigned = run(verify, bundle.path, "--key", trusted(tmp_path / "ours", OURS))
    signed = run(sign, bundle.path, "--key", key)
    right = run(verify, bundle.path, "--threads", 1, "--key", tmp_path / "ours")
    wrong = run(verify, bundle.path, "--key", trusted(tmp_path / "others", FOREIGN))

    assert (unsigned.exit_code, signed.exit_code, right.exit_code, wrong.exit_code) == (1, 0, 0, 1)
    assert "is not signed: it has no signature.json" in unsigned.output
    assert "parts, version 1: all 3 files are whole" in signed.output
    assert f"signed by the key {OUR_NAME}" in signed.output
    assert f"signed by   {OUR_NAME}" in right.output
    assert f"is by the key {OUR_NAME}, which is not trusted" in wrong.output


def test_a_damaged_bundle_is_not_signed(bundle: Bundle, key: Path) -> None:
    (bundle.path / MODEL).write_bytes(b"nothing of the kind")

    result = run(sign, bundle.path, "--key", key)

    assert result.exit_code == 1
    assert f"{MODEL} is not the file that was exported" in result.output
    assert not (bundle.path / SIGNATURE).exists()


def test_a_copied_bundle_is_not_signed(bundle: Bundle, key: Path) -> None:
    moved = bundle.path.rename(bundle.path.with_name("2"))

    result = run(sign, moved, "--key", key)

    assert result.exit_code == 1
    assert "move it to <repository>/parts/1" in result.output


def test_an_encrypted_key_is_asked_for_its_passphrase(bundle: Bundle, tmp_path: Path) -> None:
    file = tmp_path / "encrypted.pem"
    file.write_bytes(private_pem(OURS, b"correct horse"))

    right = run(sign, bundle.path, "--key", file, said="correct horse\n")
    wrong = run(sign, bundle.path, "--key", file, said="battery\n")

    assert (right.exit_code, wrong.exit_code) == (0, 2)
    assert f"signed by the key {OUR_NAME}" in right.output
    assert "is no private key in PEM" in wrong.output


def test_keys_to_verify_by_that_cannot_be_read_are_refused(bundle: Bundle, key: Path) -> None:
    result = run(verify, bundle.path, "--key", key)

    assert result.exit_code == 1
    assert "holds a private key" in result.output


def test_a_change_of_a_signed_bundle_is_signed_too_or_told(
    bundle: Bundle, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sign_or_warn(bundle.path, None)
    assert capsys.readouterr().out == ""
    sign_or_warn(bundle.path, OURS)
    assert f"signed by the key {OUR_NAME}" in capsys.readouterr().out
    sign_or_warn(bundle.path, None)
    assert f"`takt sign {bundle.path} --key FILE` signs it again" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        command
        for command in (
            *(calibrate, learn),
            *export.commands.values(),  # type: ignore[attr-defined]
            *import_.commands.values(),  # type: ignore[attr-defined]
        )
        # What Triton serves from is no bundle.
        if command.name != "triton"
    ],
    ids=lambda command: command.name,
)
def test_every_command_that_writes_a_bundle_signs_it(command: click.Command) -> None:
    assert any("--sign-key" in one.opts for one in command.params)
