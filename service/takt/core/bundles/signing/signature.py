"""`signature.json`: who vouches for a bundle, by a signature over the bytes of its manifest.

The manifest lists every other file of the bundle by its SHA-256, so that the signature covers them
all. What is decided while a bundle is served is not part of it: `thresholds.json` and `host.json`
beside the manifest, and `active.json` of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from takt.core.bundles.files import write_atomically
from takt.core.bundles.signing.keys import KEY_ID_DIGITS, key_id, read_public_keys
from takt.core.bundles.strict_model import StrictModel
from takt.core.errors import BundleError

SIGNATURE = "signature.json"


class BundleSignature(StrictModel):
    """A signature over the bytes of a manifest."""

    format_version: Literal[1] = 1
    algorithm: Literal["ed25519"] = "ed25519"

    key_id: str = Field(pattern=rf"^[0-9a-f]{{{KEY_ID_DIGITS}}}$")
    """Name of the key, from `takt.core.bundles.signing.keys.key_id`."""

    signature: str = Field(pattern=r"^[0-9a-f]{128}$")
    """64 bytes in hexadecimal digits."""


def write_signature(folder: Path, manifest: bytes, key: Ed25519PrivateKey) -> BundleSignature:
    """Signs the content of a manifest, and keeps that in the bundle's folder.

    Raises:
        OSError: the folder cannot be written to.
    """
    signed = signature_of(manifest, key)
    write_atomically(folder / SIGNATURE, signed.json_bytes())
    return signed


def signature_of(content: bytes, key: Ed25519PrivateKey) -> BundleSignature:
    """The signature over some content."""
    return BundleSignature(key_id=key_id(key.public_key()), signature=key.sign(content).hex())


class TrustedKeys:
    r"""The public keys in a file or a folder, of which one must have signed a bundle.

    They are read anew for each bundle, so that a key that comes or goes counts for the next one.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".pem") as file:
    ...     _ = file.write(
    ...         b"-----BEGIN PUBLIC KEY-----\n"
    ...         b"MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
    ...         b"-----END PUBLIC KEY-----\n"
    ...     )
    ...     file.flush()
    ...     TrustedKeys(Path(file.name)).names()
    ('722abd12e99a5367',)

    Args:
        place: a PEM file, or a folder of them.
    """

    def __init__(self, place: Path) -> None:
        self._place = place

    def names(self) -> tuple[str, ...]:
        """The names of the keys by now.

        Raises:
            ConfigurationError: there is no key, or a file holds something else.
        """
        return tuple(read_public_keys(self._place))

    def signer_of(self, folder: Path, manifest: bytes, within: Sequence[Path]) -> str:
        """The name of the key that has signed a manifest.

        Args:
            folder: of the bundle.
            manifest: the content of its manifest, as it was read.
            within: folders out of which no link may lead.

        Raises:
            BundleError: the bundle is not signed, or by no trusted key, or is another than that
                which was signed.
            ConfigurationError: the keys cannot be read.
        """
        remedy = "sign it again with `takt sign`"
        found = BundleSignature.read(folder / SIGNATURE, within, BundleError, remedy)
        if found is None:
            raise BundleError(
                f"{folder} is not signed: it has no {SIGNATURE}, and only bundles that a trusted "
                f"key has signed are taken ({', '.join(self.names())}); `takt sign` signs it"
            )
        return self.check(found, manifest, folder, "manifest.json", remedy)

    def check(
        self, found: BundleSignature, content: bytes, where: Path, what: str, remedy: str
    ) -> str:
        """The name of the key that has signed some content.

        Args:
            found: the signature.
            content: as it was read.
            where: both come from.
            what: the content is called there.
            remedy: what to do about one of the two that was changed.

        Raises:
            BundleError: no trusted key has signed it, or it is another than that which was signed.
            ConfigurationError: the keys cannot be read.
        """
        keys = read_public_keys(self._place)
        if found.key_id not in keys:
            raise BundleError(
                f"{where / SIGNATURE} is by the key {found.key_id}, which is not trusted; "
                f"trusted are {', '.join(keys)}"
            )
        try:
            keys[found.key_id].verify(bytes.fromhex(found.signature), content)
        except InvalidSignature:
            raise BundleError(
                f"{where}: {what} is not what the key {found.key_id} has signed in "
                f"{SIGNATURE}; one of the two was changed; {remedy}"
            ) from None
        return found.key_id
