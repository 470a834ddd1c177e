import pytest

from service.core.errors import ForbiddenError
from service.security.origins import AllowedOrigins

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
