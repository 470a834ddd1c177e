"""Where a release of the chart has its models from: a store, a claim, a folder, an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.deploy.chart import FULL_NAME, Rendered, Values, render

S3 = {"url": "s3://models/line-3", "credentials": {"secret": "store"}}
GOOGLE = {"url": "gs://models/line-3", "credentials": {"secret": "store"}}
WEB = {"url": "https://models.plant.example/line-3"}


def at(models: Values, more: Values | None = None) -> Rendered:
    return render({**(more or {}), "models": models})


@pytest.mark.parametrize(
    ("models", "volume", "read_only"),
    [
        (
            {"existingClaim": "shared"},
            {"persistentVolumeClaim": {"claimName": "shared"}},
            False,
        ),
        (
            {"existingClaim": "shared", "readOnly": True},
            {"persistentVolumeClaim": {"claimName": "shared"}},
            True,
        ),
        (
            {"hostPath": "/srv/models"},
            {"hostPath": {"path": "/srv/models", "type": "Directory"}},
            False,
        ),
        (
            {"image": {"reference": "r.example/models:7"}},
            {"image": {"reference": "r.example/models:7", "pullPolicy": "IfNotPresent"}},
            True,
        ),
    ],
)
def test_models_are_mounted_from_where_the_values_say(
    models: Values, volume: dict[str, Any], read_only: bool
) -> None:
    rendered = at(models)
    found = rendered.mounts["/bundles"]
    assert rendered.environment["TAKT_REPOSITORY"] == "/bundles"
    assert volume.items() <= found.items()
    assert found["readOnly"] is read_only
    assert ("holds until" in rendered.notes) is read_only


@pytest.mark.parametrize("models", [S3, GOOGLE, WEB])
def test_models_of_a_store_need_no_volume_but_one_for_their_copies(models: Values) -> None:
    rendered = at(models)
    assert rendered.environment["TAKT_REPOSITORY"] == models["url"]
    assert "/bundles" not in rendered.mounts
    copies = rendered.mounts[rendered.environment["TAKT_DATA_FOLDER"]]
    assert copies["emptyDir"] == {"sizeLimit": "10Gi"} and not copies.get("readOnly")
    assert not rendered.kind("PersistentVolumeClaim")
    assert not rendered.pod.get("initContainers")


def test_copies_of_models_outlive_the_pod_where_the_record_has_a_claim() -> None:
    rendered = at(WEB, {"record": {"store": "sqlite"}})
    data = rendered.mounts[rendered.environment["TAKT_DATA_FOLDER"]]
    assert data["persistentVolumeClaim"]["claimName"] == f"{FULL_NAME}-record"
    assert not [one for one in rendered.pod["volumes"] if one["name"] == "kept"]
    assert f"the claim {FULL_NAME}-record, where the next pod finds them" in rendered.notes
    assert "a\nnew pod does" in at(WEB).notes


@pytest.mark.parametrize("models", [{"existingClaim": "shared"}, {"hostPath": "/srv"}])
def test_what_waits_for_a_broker_or_is_learned_from_has_a_volume_without_a_record(
    models: Values,
) -> None:
    rendered = at(models, {"settings": {"mqtt_url": "mqtt://broker"}})
    assert rendered.container["securityContext"]["readOnlyRootFilesystem"] is True
    data = rendered.mounts[rendered.environment["TAKT_DATA_FOLDER"]]
    assert data["emptyDir"] == {"sizeLimit": "10Gi"} and not data.get("readOnly")


def test_the_room_for_copies_is_bounded_as_the_values_say() -> None:
    rendered = at(WEB | {"mirror": {"sizeLimit": "1Gi"}})
    assert rendered.mounts["/data"]["emptyDir"] == {"sizeLimit": "1Gi"}


def test_the_keys_of_a_store_are_variables_of_a_secret_and_stand_nowhere_else() -> None:
    rendered = at(S3)
    assert {"secretRef": {"name": "store"}} in rendered.container["envFrom"]
    assert not [name for name in rendered.environment if name.startswith("AWS_")]
    assert len(at(WEB).container["envFrom"]) == 1


@pytest.mark.parametrize(
    ("url", "variable", "name"),
    [
        ("gs://models/line-3", "GOOGLE_APPLICATION_CREDENTIALS", "credentials.json"),
        ("https://models.plant.example/line-3", "NETRC", "netrc"),
        ("http://models.plant.example/line-3", "NETRC", "netrc"),
    ],
)
def test_the_credentials_of_other_stores_are_a_file_of_a_secret(
    url: str, variable: str, name: str
) -> None:
    rendered = at({"url": url, "credentials": {"secret": "store"}})
    file = Path(rendered.environment[variable])
    mount = rendered.mounts[str(file.parent)]
    assert file.name == name
    assert mount["secret"] == {"secretName": "store", "defaultMode": 0o440}
    assert mount["readOnly"] is True
    assert len(rendered.container["envFrom"]) == 1
    without = at({"url": url})
    assert variable not in without.environment and str(file.parent) not in without.mounts


def test_a_store_may_have_a_certificate_of_the_plants_own() -> None:
    rendered = at(WEB, {"caBundle": {"configMap": "plant-ca"}})
    for name in ("SSL_CERT_FILE", "AWS_CA_BUNDLE"):
        file = Path(rendered.environment[name])
        mount = rendered.mounts[str(file.parent)]
        assert (mount["configMap"], file.name) == ({"name": "plant-ca"}, "ca.crt")
        assert name not in at(WEB).environment


@pytest.mark.parametrize("models", [S3, {"existingClaim": "shared"}])
def test_an_upgrade_starts_the_next_pod_before_it_ends_the_last_one(models: Values) -> None:
    assert at(models).one("Deployment")["spec"]["strategy"]["type"] == "RollingUpdate"
