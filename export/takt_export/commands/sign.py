"""`takt sign`: vouch for a bundle, as every command that writes one does with `--sign-key`."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from takt.commands.sign_key import read_key
from takt_export.commands.options import FILE, FOLDER, plain_errors

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from takt.core.bundles.bundle import Bundle


@click.command()
@click.argument("bundle", type=FOLDER)
@click.option(
    "--key",
    type=FILE,
    required=True,
    callback=read_key,
    help="The private key: Ed25519 in PEM, as `openssl genpkey -algorithm ed25519` makes it.",
)
@plain_errors
def sign(bundle: Path, key: Ed25519PrivateKey) -> None:
    """Check BUNDLE and vouch for it: for its manifest, and so for every file that it lists.

    BUNDLE is REPOSITORY/NAME/VERSION. The signature goes to signature.json in it. A server with the
    public key among its trusted_keys serves it; docs/signing.md tells more.
    """
    from takt.core.bundles.bundle import check_place, load_bundle

    loaded = load_bundle(bundle)
    check_place(bundle, loaded.manifest)
    name = f"{loaded.manifest.name}, version {loaded.manifest.version}"
    click.echo(f"{name}: all {len(loaded.manifest.files)} files are whole")
    _sign(loaded, key)


def sign_or_warn(bundle: Path, key: Ed25519PrivateKey | None) -> None:
    """Sign a bundle that was changed, or say that its former signature holds no longer."""
    from takt.core.bundles.bundle import load_bundle
    from takt.core.bundles.signing.signature import SIGNATURE

    if key is not None:
        _sign(load_bundle(bundle), key)
    elif (bundle / SIGNATURE).exists():
        click.echo(
            f"warning: {bundle / SIGNATURE} holds no longer, as the bundle was changed; "
            f"`takt sign {quote(str(bundle))} --key FILE` signs it again"
        )


def _sign(loaded: Bundle, key: Ed25519PrivateKey) -> None:
    from takt.core.bundles.signing.signature import SIGNATURE
    from takt.core.bundles.writing import sign_bundle

    signed = sign_bundle(loaded, key)
    click.echo(f"signed by the key {signed.key_id}, in {loaded.path / SIGNATURE}")
