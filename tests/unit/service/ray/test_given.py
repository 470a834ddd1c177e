from pathlib import Path

import pytest

from takt.core.errors import ConfigurationError
from takt.ray.given import settings_of

OPEN = {"repository": "/bundles", "insecure": True}


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAKT_RECORD", raising=False)


def test_arguments_go_before_the_environment_and_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "takt.toml"
    file.write_text('timeout_ms = 1\nmax_queue_size = 2\nmax_regions = 3\nrepository = "/bundles"')
    monkeypatch.setenv("TAKT_CONFIG", str(file))
    monkeypatch.setenv("TAKT_MAX_QUEUE_SIZE", "20")
    monkeypatch.setenv("TAKT_MAX_REGIONS", "30")
    found = settings_of({"max_regions": 300, "insecure": True})
    assert (found.timeout_ms, found.max_queue_size, found.max_regions) == (1, 20, 300)


def test_nothing_is_recorded_unless_a_setting_says_where() -> None:
    assert settings_of(OPEN).record == "none"
    database = "postgresql://takt@database/takt"
    assert settings_of({**OPEN, "record": database}).record == database
    assert settings_of({**OPEN, "record": "sqlite"}).record == "sqlite"


def test_without_keys_it_is_open_by_will_alone() -> None:
    with pytest.raises(ConfigurationError, match="without keys"):
        settings_of({"repository": "/bundles"})
    assert settings_of({"repository": "/bundles", "keys_file": "/keys.toml"}).knows_callers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metrics_port", 9100),
        ("grpc_port", 8001),
        ("tls_certificate", "/some.pem"),
        ("tls_key", "/some.pem"),
        ("tls_client_ca", "/some.pem"),
    ],
)
def test_what_the_proxies_have_is_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is set, but Ray's proxies"):
        settings_of({**OPEN, name: value})


def test_replicas_take_the_place_of_workers() -> None:
    with pytest.raises(ConfigurationError, match="num_replicas"):
        settings_of({**OPEN, "workers": 2})


@pytest.mark.parametrize("name", ["repository", "keys_file", "trusted_keys", "engine_cache"])
def test_a_path_that_depends_on_the_folder_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is here, .* give a whole path"):
        settings_of({**OPEN, name: "here"})


def test_a_url_is_a_whole_path() -> None:
    assert settings_of({**OPEN, "repository": "s3://models/line-3"}).repository.startswith("s3:")


def test_a_setting_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError, match="num_replicas"):
        settings_of({**OPEN, "num_replicas": 2})
