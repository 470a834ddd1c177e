"""deploy/compose.yml: valid, closed to other hosts, and of files that are there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from takt.core.bundles.bundle import Bundle
from takt.security.hosts import AllowedHosts
from takt.settings import Settings
from tests.deploy.container import here, started, wait_until_it_answers
from tests.deploy.deploy_tools import package
from tests.deploy.dockerfile import assignments, stages
from tests.deploy.prometheus_tools import promtool
from tests.shelves import web_shelf

DEPLOY = Path(__file__).parents[2] / "deploy"
ROOT = DEPLOY.parent


def interpolated(text: str, **variables: str) -> str:
    """`${NAME:-default}` and `${NAME:?why it is needed}` as Compose puts them in."""

    def value(found: re.Match[str]) -> str:
        name, kind, otherwise = found.groups()
        return variables[name] if kind == "?" else variables.get(name, otherwise)

    return re.sub(r"\$\{(\w+):([-?])([^}]*)\}", value, text)


def composed(**variables: str) -> dict[str, Any]:
    """The composition, with these variables beside the folder of keys."""
    text = (DEPLOY / "compose.yml").read_text("utf-8")
    found: dict[str, Any] = yaml.safe_load(interpolated(text, TAKT_KEYS="/srv/keys", **variables))
    return found


COMPOSE = composed()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVERS = ("takt", "takt-gpu")

RUNNING = [name for name in SERVICES if name != "keys"]

each_service = pytest.mark.parametrize("name", SERVICES)
each_that_runs = pytest.mark.parametrize("name", RUNNING)


def mounts(name: str) -> dict[str, Path]:
    """Targets in the container, with what of this project is mounted there."""
    found = {}
    for volume in SERVICES[name].get("volumes", ()):
        if isinstance(volume, str):
            source, target, *_ = volume.split(":")
        else:
            source, target = volume["source"], volume["target"]
        if source.startswith("."):
            found[target] = (DEPLOY / source).resolve()
    return found


def targets(name: str) -> set[str]:
    """Paths in the container at which something is mounted."""
    volumes = SERVICES[name]["volumes"]
    given = [one["target"] if isinstance(one, dict) else one.split(":")[1] for one in volumes]
    return {*given, *(one.partition(":")[0] for one in SERVICES[name]["tmpfs"])}


def mounted(name: str, path: str) -> Path:
    """The file of this project that a path in the container is."""
    places = mounts(name).items()
    (found,) = [
        here / Path(path).relative_to(target)
        for target, here in places
        if Path(path).is_relative_to(target)
    ]
    return found


def validate(composition: dict[str, Any]) -> None:
    """Raises ValueError where the Compose specification has no such thing."""
    compose_spec = package("compose_spec")
    compose_spec.PyCompose.from_yaml(yaml.safe_dump(composition)).validate()


def test_it_is_valid_by_the_compose_specification() -> None:
    validate(COMPOSE)


def test_a_misspelt_key_is_not_valid() -> None:
    wrong = COMPOSE | {"services": {"takt": {"image": "takt:cpu", "reed_only": True}}}
    with pytest.raises(ValueError, match="reed_only"):
        validate(wrong)


@each_service
def test_every_mounted_file_is_there_and_cannot_be_changed(name: str) -> None:
    for volume in SERVICES[name].get("volumes", ()):
        if isinstance(volume, str) and volume.startswith("."):
            assert volume.endswith(":ro"), volume
        elif isinstance(volume, dict):
            assert volume["read_only"] is (name != "keys")
    assert all(place.exists() for place in mounts(name).values())


@each_service
def test_every_named_volume_is_declared(name: str) -> None:
    given = [volume for volume in SERVICES[name].get("volumes", ()) if isinstance(volume, str)]
    named = {volume.split(":")[0] for volume in given if not volume.startswith(".")}
    assert named <= set(COMPOSE["volumes"])


@each_service
def test_a_container_can_change_nothing_of_its_own_and_has_no_privileges(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged") and "cap_add" not in service


@each_that_runs
def test_no_other_host_reaches_a_port(name: str) -> None:
    assert SERVICES[name]["ports"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name]["ports"])


@each_that_runs
def test_a_server_without_a_model_keeps_nobody_waiting_and_its_port_is_open(name: str) -> None:
    """It is unhealthy until somebody has learned the first one, by its console."""
    assert not set(SERVERS) & set(SERVICES[name].get("depends_on", {}))
    assert all("8000:8000" in str(SERVICES[one]["ports"]) for one in SERVERS)


@each_service
def test_each_has_a_health_check(name: str) -> None:
    service = SERVICES[name]
    if "build" in service:
        dockerfile = (
            DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]
        ).resolve()
        text = dockerfile.read_text(encoding="utf-8")
        assert stages(text)[-1].only("HEALTHCHECK")
    else:
        assert service["healthcheck"]["test"][0] == "CMD"


@each_service
def test_images_of_others_have_a_version(name: str) -> None:
    if "build" not in SERVICES[name]:
        assert re.search(r":v?\d+\.\d+\.\d+$", SERVICES[name]["image"])


@each_service
def test_no_secret_stands_in_it(name: str) -> None:
    variables = SERVICES[name].get("environment", {})
    secret = [key for key in variables if re.search("PASSWORD|SECRET|TOKEN", key)]
    # What has no value here is taken from the host.
    assert not [key for key in secret if variables[key] is not None]


def test_grafana_has_no_account_with_a_known_password() -> None:
    variables = SERVICES["grafana"]["environment"]
    assert variables["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert variables["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert variables["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_has_time_to_answer_what_it_accepted(name: str) -> None:
    grace = float(SERVICES[name]["stop_grace_period"].removesuffix("s"))
    assert grace > Settings().drain_timeout_s


@pytest.mark.parametrize("name", SERVERS)
def test_the_record_outlives_a_server_where_its_image_keeps_it(name: str) -> None:
    dockerfile = DEPLOY / SERVICES[name]["build"]["context"] / SERVICES[name]["build"]["dockerfile"]
    image = stages(dockerfile.resolve().read_text(encoding="utf-8"))[-1]
    (folder,) = [
        value
        for step in image.steps
        if step.name == "ENV"
        for key, value in assignments(step.text)
        if key == "TAKT_DATA_FOLDER"
    ]
    assert f"record:{folder}" in SERVICES[name]["volumes"]


@pytest.mark.parametrize("name", SERVERS)
def test_the_settings_of_a_server_exist(name: str) -> None:
    given = [key for key in SERVICES[name]["environment"] if key.startswith("TAKT_")]
    assert {key.removeprefix("TAKT_").lower() for key in given} <= set(Settings.model_fields)


@pytest.mark.parametrize("name", SERVERS)
def test_the_name_and_port_that_prometheus_scrapes_are_a_servers(name: str) -> None:
    config = yaml.safe_load((DEPLOY / "compose/prometheus.yml").read_text("utf-8"))
    (job,) = config["scrape_configs"]
    port = SERVICES[name]["environment"]["TAKT_METRICS_PORT"]
    assert job["static_configs"][0]["targets"] == [f"takt:{port}"]
    aliases = SERVICES[name].get("networks", {}).get("default", {}).get("aliases", [])
    assert "takt" in (name, *aliases)


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_answers_to_the_name_that_prometheus_asks(name: str) -> None:
    AllowedHosts(SERVICES[name]["environment"]["TAKT_ALLOWED_HOSTS"]).check("takt:9100")


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_knows_its_callers_and_no_other_host_reaches_its_metrics(name: str) -> None:
    variables = SERVICES[name]["environment"]
    (keys,) = [
        volume
        for volume in SERVICES[name]["volumes"]
        if isinstance(volume, dict) and volume["source"] == "/srv/keys"
    ]
    assert Path(variables["TAKT_KEYS_FILE"]).parent == Path(keys["target"])
    assert "TAKT_INSECURE" not in variables
    assert SERVICES[name]["ports"] == [f"127.0.0.1:{Settings().port}:{Settings().port}"]


def test_without_keys_the_composition_says_what_to_do() -> None:
    with pytest.raises(KeyError, match="TAKT_KEYS"):
        interpolated((DEPLOY / "compose.yml").read_text("utf-8"))


def test_the_steps_at_its_top_are_those_of_the_guide() -> None:
    def steps(text: str) -> set[str]:
        lines = (line.lstrip("# ").split("  ")[0] for line in text.splitlines())
        return {line for line in lines if line.startswith(("mkdir", "printf", "docker compose"))}

    top = steps((DEPLOY / "compose.yml").read_text("utf-8").partition("name:")[0])
    guide = steps((ROOT / "docs/containers.md").read_text("utf-8").partition("\n## Images")[0])
    assert len(top) == 5 and {step for step in top if "takt-gpu" not in step} <= guide
    shown = re.findall(r"@(examples/\S+)", (ROOT / "docs/containers.md").read_text("utf-8"))
    assert shown and all((ROOT / picture).is_file() for picture in shown)


def test_variables_of_the_guide_are_those_of_the_composition() -> None:
    text = (DEPLOY / "compose.yml").read_text("utf-8")
    passed_on = {name for name, value in SERVICES["takt"]["environment"].items() if value is None}
    rows = re.findall(
        r"^\| (`[A-Z].*?) \|", (ROOT / "docs/containers.md").read_text("utf-8"), re.MULTILINE
    )
    described = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert described == set(re.findall(r"\$\{(\w+)", text)) | passed_on


def key_by_its_service(folder: Path) -> str:
    """What `docker compose run --rm keys add …` prints, with the keys in this folder."""
    service = SERVICES["keys"]
    (volume,) = service["volumes"]
    program, *arguments = service["entrypoint"]
    given = here(service["environment"]["TAKT_KEYS_FILE"], {volume["target"]: folder})
    command = [Path(sys.executable).with_name(program), *arguments, "add", "camera"]
    made = subprocess.run(
        [*command, "--scope", "inspect", "--scope", "read"],
        env={"TAKT_KEYS_FILE": given},
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()


@pytest.mark.parametrize("by_url", [False, True], ids=["a folder", "a URL"])
def test_its_server_inspects_for_who_has_a_key_of_its_service(
    by_url: bool,
    tmp_path: Path,
    bundle: Bundle,
    repository: Path,
    picture_bytes: Callable[..., bytes],
) -> None:
    places = {target: tmp_path / target.strip("/").replace("/", "-") for target in targets("takt")}
    for place in places.values():
        place.mkdir()
    key = key_by_its_service(places["/etc/takt"])
    with web_shelf(repository) as shelf:
        if by_url:
            given = composed(TAKT_MODELS_URL=shelf.url)
        else:
            given, places["/bundles"] = COMPOSE, repository
        variables = given["services"]["takt"]["environment"].items()
        own = {name: value for name, value in variables if value is not None}
        with started(own, places) as running:
            wait_until_it_answers(f"{running.urls['metrics']}/health/ready", running.process)
            picture, known = picture_bytes(), {"authorization": f"Bearer {key}"}
            url = f"{running.urls['http']}/v1/models/{bundle.manifest.name}/inspect"
            assert httpx.post(url, content=picture).status_code == 401
            assert httpx.post(url, content=picture, headers=known, timeout=30).status_code == 200
            assert "takt_requests_total" in httpx.get(f"{running.urls['metrics']}/metrics").text
    assert (places["/data"] / "record.sqlite").exists()
    assert (places["/data"] / "mirror").exists() is by_url


def test_prometheus_is_set_up_as_beside_a_server_but_for_the_address() -> None:
    beside = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text("utf-8"))
    here = yaml.safe_load((DEPLOY / "compose/prometheus.yml").read_text("utf-8"))
    for config in (beside, here):
        del config["scrape_configs"][0]["static_configs"][0]["targets"]
    assert here == beside


def test_promtool_takes_the_configuration_where_the_container_has_it(tmp_path: Path) -> None:
    for target, origin in mounts("prometheus").items():
        place = tmp_path / target.lstrip("/")
        (shutil.copytree if origin.is_dir() else shutil.copy)(origin, _parent_made(place))
    (config,) = [
        argument.removeprefix("--config.file=")
        for argument in SERVICES["prometheus"]["command"]
        if argument.startswith("--config.file=")
    ]
    checked = promtool("check", "config", tmp_path / config.lstrip("/"))
    assert checked.returncode == 0, checked.stdout
    rules = list((DEPLOY / "prometheus/rules").glob("*.yml"))
    assert f"{len(rules)} rule files found" in checked.stdout


def _parent_made(place: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    sources = mounted("grafana", "/etc/grafana/provisioning/datasources")
    (source,) = yaml.safe_load(next(sources.glob("*.yml")).read_text("utf-8"))["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert "127.0.0.1:9090:9090" in SERVICES["prometheus"]["ports"]
    providers = mounted("grafana", "/etc/grafana/provisioning/dashboards")
    (provider,) = yaml.safe_load(next(providers.glob("*.yml")).read_text("utf-8"))["providers"]
    assert list(mounted("grafana", provider["options"]["path"]).glob("*.json"))
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert mounted("grafana", home).is_file()
