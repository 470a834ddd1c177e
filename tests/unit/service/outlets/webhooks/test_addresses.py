"""No private address is posted to unless its host is named, whatever its name resolves to."""

from __future__ import annotations

import pytest

from takt.outlets.plugin import AwayError
from takt.outlets.webhooks.addresses import allowed_addresses, is_public

PUBLIC, PRIVATE = "93.184.215.14", "10.0.0.7"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::7",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.7",
        "64:ff9b::10.0.0.7",
        "2002:0a00:0007::1",
        "64:ff9b:1::10.0.0.7",
        "::10.0.0.7",
        "::ffff:0:10.0.0.7",
        "fec0::2",
        "192.0.0.8",
        "192.88.99.1",
        "::ffff:192.88.99.1",
        "64:ff9b::192.88.99.1",
        "2002:c058:6301::1",
        "3fff::1",
        "3fff:fff::1",
        "5f00::1",
        "no address",
    ],
)
def test_an_address_of_ones_own_host_link_or_network_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:21f:cb07::1", f"64:ff9b::{PUBLIC}"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


async def found(*addresses: str, private_hosts: tuple[str, ...] = ()) -> list[str]:
    async def find(host: str, port: int) -> list[str]:
        assert (host, port) == ("mes.example", 443)
        return list(addresses)

    return await allowed_addresses("mes.example", 443, private_hosts, find)


async def test_of_several_addresses_the_public_ones_alone_are_connected_to() -> None:
    assert await found(PRIVATE, PUBLIC, "::1") == [PUBLIC]


async def test_a_host_with_private_addresses_alone_is_refused_with_what_to_do() -> None:
    with pytest.raises(AwayError, match=r"10\.0\.0\.7, which is private.*webhooks_private_hosts"):
        await found(PRIVATE)


async def test_a_host_that_is_named_may_have_private_addresses() -> None:
    assert await found(PRIVATE, private_hosts=("mes.example",)) == [PRIVATE]


async def test_a_name_that_does_not_resolve_is_told() -> None:
    async def find(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(AwayError, match=r"mes\.example cannot be resolved: no such name"):
        await allowed_addresses("mes.example", 443, (), find)
