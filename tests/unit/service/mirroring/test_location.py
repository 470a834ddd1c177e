from pathlib import Path

import pytest

from takt.configuration import without_secrets
from takt.core.errors import ConfigurationError
from takt.mirroring.location import is_url, mirror_folder, parse_location, shown
from takt.settings import Settings


def test_a_folder_is_no_url() -> None:
    assert not is_url("bundles")
    assert not is_url("/srv/bundles")
    assert is_url("s3://bundles")


@pytest.mark.parametrize(
    "url",
    [
        "https://me:word@host/bundles",
        "https://me:w/o@rd@host/bundles",
        "https://host/bundles/?token=word",
        "s3://KEY:se/cret@host/bundles",
        "https://host/bundles#word",
    ],
)
def test_nothing_secret_is_shown(url: str) -> None:
    assert shown(url) in ("https://host/bundles", "s3://host/bundles")
    assert without_secrets(Settings(repository=url))["repository"] == shown(url)
    try:
        location = parse_location(url)
    except ConfigurationError as error:
        assert not {"word", "KEY", "cret"} & set(str(error).replace("/", " ").split())
        assert "rd@" not in str(error) and "token" not in str(error)
    else:
        assert "word" not in repr(location) + location.url + location.place


@pytest.mark.parametrize(
    "url, said",
    [
        ("ftp://host/bundles", "begins with file://, http://, https://, s3://, gs://"),
        ("https://host/bundles?token=1", "no query"),
        ("s3://key@bucket/bundles", "name no user"),
        ("https:///bundles", "no host"),
        ("file://elsewhere/bundles", "file:///srv/bundles"),
        ("https://host:port/bundles", "is no URL"),
        ("https://host/a@b", "%40"),
    ],
)
def test_a_url_that_bundles_cannot_come_from_is_refused_with_what_to_do(
    url: str, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse_location(url)


def test_the_user_of_a_url_is_kept_apart() -> None:
    location = parse_location("https://me:w%3Ard@host:8443/bundles/")

    assert (location.user, location.password) == ("me", "w:rd")
    assert location.url == location.place == "https://host:8443/bundles"


def test_places_are_named_as_file_systems_take_them(tmp_path: Path) -> None:
    assert parse_location("s3://bundles/line-3/").place == "bundles/line-3"
    assert parse_location("gs://bundles").place == "bundles"
    assert parse_location("file:///srv/my%20bundles/").place == "/srv/my bundles"


def test_each_url_has_a_folder_of_its_own_whatever_its_password_and_end(tmp_path: Path) -> None:
    folders = {
        mirror_folder(tmp_path, url)
        for url in ("https://me:a@host/x", "https://me:b@host/x/", "https://host/x")
    }
    assert len(folders) == 1
    assert mirror_folder(tmp_path, "https://host/y") not in folders
    assert mirror_folder(tmp_path, "http://host/x") not in folders
    assert mirror_folder(tmp_path, "https://host/../../x").parent == tmp_path / "mirror"


def test_settings_name_the_folder_that_is_served(tmp_path: Path) -> None:
    assert Settings(repository=tmp_path).repository_folder == tmp_path
    url = "s3://bundles/line-3"
    served = Settings(repository=url, data_folder=tmp_path).repository_folder
    assert served == mirror_folder(tmp_path, url)
