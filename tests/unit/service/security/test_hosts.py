import pytest

from takt.core.errors import ConfigurationError, MisdirectedRequestError, RequestError
from takt.security.hosts import AllowedHosts


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1:8000", "192.168.10.20:80", "[::1]:8000", "[fe80::1]"),
        *("localhost", "localhost:8000", "LOCALHOST", "localhost.", "line3", "line3.plant.corp:1"),
    ],
)
def test_addresses_localhost_and_own_names_need_no_setting(host: str) -> None:
    AllowedHosts("", own=("line3", "Line3.plant.corp")).check(host)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example"),
        *("line3.evil.example", "notline3", "2130706433", "127.1", "0x7f.0.0.1", "1.2.3.4.5"),
    ],
)
def test_any_other_name_is_refused_and_the_setting_named(host: str) -> None:
    with pytest.raises(MisdirectedRequestError, match="allowed_hosts"):
        AllowedHosts("", own=("line3",)).check(host)


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("takt.plant.example", "takt.plant.example"),
        (" A.example , takt.plant.example.", "TAKT.plant.example:443"),
        ("*.plant.example", "takt.plant.example"),
        ("*.plant.example", "a.b.plant.example"),
        ("takt_gpu", "takt_gpu:8000"),
        ("*", "evil.example"),
    ],
)
def test_names_of_the_setting_are_allowed(allowed: str, host: str) -> None:
    AllowedHosts(allowed).check(host)


@pytest.mark.parametrize("host", ["plant.example", "evilplant.example", "plant.example.evil"])
def test_a_domain_of_the_setting_is_for_names_in_it_alone(host: str) -> None:
    with pytest.raises(MisdirectedRequestError):
        AllowedHosts("*.plant.example").check(host)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            ":8000",
            "a b",
            "host/path",
            "user@127.0.0.1",
            "127.0.0.1:8000:1",
            "h:123456",
            "[::1",
        ),
        *("[evil.example]", "[]", "a,b", "ä.example", "a" * 300),
    ],
)
def test_a_malformed_host_is_refused_whatever_is_allowed(host: str) -> None:
    for allowed in ("", "*"):
        with pytest.raises(RequestError) as refused:
            AllowedHosts(allowed).check(host)
        assert refused.value.status == 400


@pytest.mark.parametrize("entry", ["https://takt", "takt:8000", "takt/", "*takt", "a b", "*.*"])
def test_an_entry_that_is_no_name_is_told_at_the_start(entry: str) -> None:
    with pytest.raises(ConfigurationError, match="allowed_hosts"):
        AllowedHosts(f"good.example,{entry}")
