import pytest

from takt.core.errors import ConfigurationError, ForbiddenError
from takt.security.origins import AllowedOrigins

OWN = {"takt:8000"}


@pytest.mark.parametrize("site", [None, "same-origin", "none"])
@pytest.mark.parametrize("origin", [None, "http://takt:8000", "https://TAKT:8000"])
def test_programs_and_own_pages_pass(origin: str | None, site: str | None) -> None:
    assert AllowedOrigins("").check(origin, site, OWN) is False
    assert AllowedOrigins("*").check(origin, site, OWN) is False


@pytest.mark.parametrize(
    ("origin", "site"),
    [
        *(("https://evil.example", None), ("null", None), ("http://takt:81", None), ("", None)),
        *(("http://[", None), ("http://takt:8000.evil.example", None), ("takt:8000", None)),
        # The browser knows better than the header's host: another scheme is another origin.
        ("http://takt:8000", "cross-site"),
        # No `Origin`, but a browser that says where the request comes from.
        *((None, "cross-site"), (None, "same-site"), (None, "bogus")),
    ],
)
def test_pages_of_others_are_refused(origin: str | None, site: str | None) -> None:
    with pytest.raises(ForbiddenError, match="allowed_origins"):
        AllowedOrigins("").check(origin, site, OWN)


def test_an_allowed_page_passes_though_it_is_of_another_site() -> None:
    assert AllowedOrigins("https://hmi.example").check("https://HMI.example", "cross-site", OWN)
    assert AllowedOrigins("*").check("null", "cross-site", OWN)


def test_an_entry_with_the_port_of_its_scheme_is_the_origin_without() -> None:
    allowed = AllowedOrigins("https://hmi.example:443,http://hmi.example:80")
    assert allowed.check("https://hmi.example", None, OWN)
    assert allowed.check("http://hmi.example", None, OWN)


@pytest.mark.parametrize(
    "allowed",
    [
        "line3.example",
        "https://line3.example/console",
        "https://*.cells.example",
        "https://",
        "foo",
    ],
)
def test_an_entry_that_no_page_can_ever_have_is_refused(allowed: str) -> None:
    with pytest.raises(ConfigurationError, match=r"allowed_origins has .* no origin of a page"):
        AllowedOrigins(f"https://hmi.example,{allowed}")


@pytest.mark.parametrize(
    "allowed",
    ["http://[fd00::7]:8080", "http://10.0.0.7", "null", "app://hmi", "https://one/", "*", ""],
)
def test_whatever_a_browser_may_send_is_taken(allowed: str) -> None:
    page = allowed.rstrip("/") or "http://takt:8000"
    AllowedOrigins(allowed).check(page, None, OWN)
