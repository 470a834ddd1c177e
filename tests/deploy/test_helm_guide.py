"""What docs/kubernetes.md has its readers run: the chart takes it, and Kubernetes does."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.deploy.chart import CHART, RELEASE, Values, render
from tests.deploy.deploy_tools import package
from tests.deploy.outside import guide_values

GUIDE = (CHART.parents[2] / "docs/kubernetes.md").read_text(encoding="utf-8")
FILL = CHART.parent / "fill.yaml"


def commands(*words: str) -> list[list[str]]:
    """Commands of the guide that begin with these words."""
    text = re.sub(r"\\\n\s*", "", GUIDE)
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    begins = " ".join(words) + " "
    return [shlex.split(line, comments=True) for line in lines if line.startswith(begins)]


def settled(options: list[str]) -> Values:
    """The values of `--set name=value` options."""
    values: Values = {}
    for flag, given in itertools.pairwise(options):
        if flag == "--set":
            path, _, value = given.partition("=")
            *above, name = path.split(".")
            inner = values
            for each in above:
                inner = inner.setdefault(each, {})
            inner[name] = value
    return values


def test_the_first_installation_makes_a_server_of_what_was_made_before_it() -> None:
    ((_, _, release, chart, *options),) = commands("helm", "install")
    assert (release, Path(chart).name) == (RELEASE, CHART.name)
    values = settled(options)
    rendered = render(values, keys=False, models=False)
    image, _, tag = rendered.container["image"].rpartition(":")
    assert ["docker", "push", f"{image}:{tag}"] in commands("docker", "push")
    made = {command[6]: command[7:] for command in commands("kubectl", "-n", "plant", "create")}
    assert "--from-file=keys.toml" in made[values["keys"]["secret"]]
    store = made[values["models"]["credentials"]["secret"]]
    assert [option for option in store if option.startswith("--from-literal=AWS_ACCESS_KEY_ID=")]
    ((*_, bucket),) = commands("aws", "s3", "sync")
    assert bucket == values["models"]["url"]
    forwarded, ports = commands("kubectl", "-n", "plant", "port-forward")[0][4:6]
    service = rendered.one("Service")
    assert forwarded == f"service/{service['metadata']['name']}"
    assert ports == f"8000:{service['spec']['ports'][0]['port']}"


@pytest.mark.parametrize("page", ["kubernetes", "containers"])
def test_images_in_the_guides_are_of_the_charts_version(page: str) -> None:
    text = (CHART.parents[2] / f"docs/{page}.md").read_text(encoding="utf-8")
    tags = set(re.findall(r"takt:([\w.-]+)-(?:cpu|gpu)", text))
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert tags == {chart["appVersion"]}


def test_its_key_is_made_as_it_says(tmp_path: Path) -> None:
    ((_, *arguments),) = commands("takt", "keys", "add")
    takt = Path(sys.executable).with_name("takt")
    subprocess.run([takt, *arguments], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "keys.toml").exists()


def test_every_deployment_in_it_is_one_of_the_release() -> None:
    named = set(re.findall(r"(?:deployment|service)/([\w-]+)", GUIDE))
    rendered = render()
    assert named == {rendered.one("Deployment")["metadata"]["name"]}


def test_its_values_are_taken() -> None:
    given = list(guide_values())
    assert len(given) >= 7
    for values in given:
        assert render(values).one("Deployment")


def test_pictures_of_every_size_that_the_server_takes_pass_its_ingress() -> None:
    (values,) = [block for block in guide_values() if "ingress" in block]
    size = values["ingress"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]
    assert size.endswith("m")
    allowed = int(size.removesuffix("m")) * 2**20
    assert allowed == int(render(values).environment["TAKT_MAX_IMAGE_BYTES"])


@pytest.mark.parametrize("version", ["1.27", "1.37"])
def test_the_claim_is_filled_by_a_pod_that_writes_as_the_server_reads(version: str) -> None:
    claim, pod = yaml.safe_load_all(FILL.read_text(encoding="utf-8"))
    for resource in (claim, pod):
        package("kubernetes_validate").validate(resource, version, strict=True)
    (volume,) = pod["spec"]["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    rendered = render({"models": {"existingClaim": claim["metadata"]["name"]}})
    assert pod["spec"]["securityContext"].items() <= rendered.pod["securityContext"].items()
    (container,) = pod["spec"]["containers"]
    (mount,) = container["volumeMounts"]
    assert mount["mountPath"] in rendered.mounts
    # No image of others.
    assert container["image"].rpartition("/")[2] == rendered.container["image"]
    assert FILL.name in " ".join(word for command in commands("kubectl") for word in command)
