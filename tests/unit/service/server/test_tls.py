from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from takt.core.errors import ConfigurationError
from takt.server.tls import ServerTls, open_tls, tls_context
from takt.settings import Settings
from tests.tls import client_of, pair_of


@dataclass
class Observer:
    told: list[object] = field(default_factory=list)

    def watch(self, what: str) -> None:
        self.told.append(what)

    def reloaded(self, what: str, taken: bool) -> None:
        self.told.append(taken)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@dataclass(frozen=True)
class Pair:
    """The files of a certificate and its key."""

    certificate: Path
    key: Path

    def write(self, pair: tuple[bytes, bytes]) -> None:
        self.certificate.write_bytes(pair[0])
        self.key.write_bytes(pair[1])

    def open(self, **settings: object) -> tuple[ServerTls, Observer]:
        named = {"tls_certificate": self.certificate, "tls_key": self.key, **settings}
        observer = Observer()
        tls = open_tls(Settings(**named), observer)
        assert tls is not None
        return tls, observer


@pytest.fixture
def pair(tmp_path: Path, authority: trustme.CA) -> Pair:
    files = Pair(tmp_path / "tls.crt", tmp_path / "tls.key")
    files.write(pair_of(authority))
    return files


def handshake(
    context: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> ssl.SSLObject:
    """The client's side after a whole handshake in memory, in which it may resume a session."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_hostname="localhost", session=session)
    answering = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    answering.getpeercert()  # raises before the end of a handshake
    return asking


def shown(context: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, object]:
    """The certificate that a client sees."""
    return handshake(context, client).getpeercert() or {}


def name_of(certificate: dict[str, object]) -> str:
    ((_, name),) = certificate["subject"][-1]  # type: ignore[index]
    return name


def test_no_setting_no_tls() -> None:
    assert open_tls(Settings(), Observer()) is None


@pytest.mark.parametrize("alone", ["tls_key", "tls_client_ca"])
def test_what_belongs_to_a_certificate_is_refused_without_one(alone: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{alone} is set without tls_certificate"):
        open_tls(Settings(**{alone: Path("tls.pem")}), Observer())


def test_a_new_pair_is_shown_to_new_connections(pair: Pair, authority: trustme.CA) -> None:
    tls, observer = pair.open()
    client = client_of(authority)
    assert name_of(shown(tls.context, client)) == "takt"
    pair.write(pair_of(authority, "takt of tomorrow"))
    tls.files.look()
    assert name_of(shown(tls.context, client)) == "takt of tomorrow"
    assert observer.told == ["tls", True]


def test_half_a_new_pair_leaves_the_old_one_and_the_whole_pair_is_taken(
    pair: Pair, authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    tls, observer = pair.open()
    client = client_of(authority)
    certificate, key = pair_of(authority, "takt of tomorrow")
    pair.certificate.write_bytes(certificate)
    tls.files.look()
    tls.files.look()
    assert name_of(shown(tls.context, client)) == "takt"
    assert observer.told == ["tls", False]
    assert "the key in tls_key is not that of the certificate in tls_certificate" in caplog.text
    pair.key.write_bytes(key)
    tls.files.look()
    assert name_of(shown(tls.context, client)) == "takt of tomorrow"
    assert observer.told == ["tls", False, True]


@pytest.mark.parametrize("damage", ["cut", "empty", "gone"])
def test_a_damaged_file_leaves_the_old_pair(pair: Pair, authority: trustme.CA, damage: str) -> None:
    tls, observer = pair.open()
    if damage == "gone":
        pair.key.unlink()
    else:
        pair.key.write_bytes(pair.key.read_bytes()[: 40 if damage == "cut" else 0])
    tls.files.look()
    assert observer.told == ["tls", False]
    assert name_of(shown(tls.context, client_of(authority))) == "takt"


def test_one_file_may_hold_certificate_and_key(tmp_path: Path, authority: trustme.CA) -> None:
    path = tmp_path / "tls.pem"
    path.write_bytes(b"".join(pair_of(authority)))
    tls = open_tls(Settings(tls_certificate=path), Observer())
    assert tls is not None
    assert name_of(shown(tls.context, client_of(authority))) == "takt"


@pytest.mark.parametrize("name", ["tls_certificate", "tls_key", "tls_client_ca"])
def test_a_file_without_pem_is_refused_by_its_setting(
    pair: Pair, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "none.pem"
    path.write_text("-----BEGIN NOTHING-----")
    with pytest.raises(ConfigurationError, match=name):
        pair.open(**{name: path})


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(
    authority: trustme.CA,
) -> None:
    from cryptography.hazmat.primitives import serialization

    certificate, key = pair_of(authority)
    locked = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    with pytest.raises(ConfigurationError, match="has a password"):
        tls_context(certificate, locked)


def test_tls_before_1_2_is_refused(pair: Pair, authority: trustme.CA) -> None:
    tls, _ = pair.open()
    client = client_of(authority)
    client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol"):
        shown(tls.context, client)


def test_with_an_authority_of_clients_only_its_own_get_in(
    pair: Pair, tmp_path: Path, authority: trustme.CA
) -> None:
    plant = trustme.CA()
    (tmp_path / "plant.pem").write_bytes(plant.cert_pem.bytes())
    tls, _ = pair.open(tls_client_ca=tmp_path / "plant.pem")
    certificates = {}
    for signer in (plant, authority):
        certificates[signer] = tmp_path / "client.pem"
        certificates[signer].write_bytes(b"".join(pair_of(signer, "line3")))
        client = client_of(authority, certificates[signer])
        if signer is plant:
            assert name_of(shown(tls.context, client)) == "takt"
        else:
            with pytest.raises(ssl.SSLError, match="verify failed"):
                shown(tls.context, client)
    with pytest.raises(ssl.SSLError, match="did not return a certificate"):
        shown(tls.context, client_of(authority))


def test_a_client_of_a_former_authority_gets_in_no_more_by_its_old_session(
    pair: Pair, tmp_path: Path, authority: trustme.CA
) -> None:
    plant, ca = trustme.CA(), tmp_path / "plant.pem"
    ca.write_bytes(plant.cert_pem.bytes())
    tls, _ = pair.open(tls_client_ca=ca)
    (tmp_path / "client.pem").write_bytes(b"".join(pair_of(plant, "line3")))
    client = client_of(authority, tmp_path / "client.pem")
    client.maximum_version = ssl.TLSVersion.TLSv1_2  # whose sessions need no reading
    session = handshake(tls.context, client).session
    assert handshake(tls.context, client, session).session_reused
    ca.write_bytes(trustme.CA().cert_pem.bytes())
    tls.files.look()
    with pytest.raises(ssl.SSLError, match="verify failed"):
        handshake(tls.context, client, session)
