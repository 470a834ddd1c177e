"""What a release of the chart does with the record: where it is, and what would damage it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from takt.settings import Settings
from tests.deploy.chart import CHART, FULL_NAME, Rendered, Values, render
from tests.deploy.deploy_tools import package
from tests.deploy.dockerfile import assignments, stages

SECRET: Values = {"postgresql": {"secret": "line-3-record"}}
CLAIM = f"{FULL_NAME}-record"


def with_record(store: str, more: Values | None = None, **record: Any) -> Rendered:
    own = SECRET if store == "postgresql" else {}
    return render({**(more or {}), "record": {"store": store, **own, **record}})


def data_volume(rendered: Rendered) -> Any:
    """The claim that is mounted where the server keeps its data; None if it goes with the pod."""
    mount = rendered.mounts[rendered.environment["TAKT_DATA_FOLDER"]]
    assert not mount.get("readOnly")
    return None if "emptyDir" in mount else mount["persistentVolumeClaim"]["claimName"]


def claims(rendered: Rendered) -> dict[str, Any]:
    return {one["metadata"]["name"]: one for one in rendered.kind("PersistentVolumeClaim")}


def test_nothing_is_recorded_unless_that_is_said() -> None:
    rendered = render()
    assert rendered.environment["TAKT_RECORD"] == "none"
    assert data_volume(rendered) is None and CLAIM not in claims(rendered)
    assert "Nothing is recorded" in rendered.notes


def test_a_record_in_sqlite_is_on_a_claim_of_its_own_that_outlives_the_release() -> None:
    rendered = with_record("sqlite")
    assert rendered.environment["TAKT_RECORD"] == "sqlite"
    assert data_volume(rendered) == CLAIM
    claim = claims(rendered)[CLAIM]
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"]["resources"]["requests"]["storage"] == "30Gi"
    assert f"exec deployment/{FULL_NAME} -- takt records" in rendered.notes
    gone = with_record("sqlite", claim={"keep": False, "size": "5Gi", "storageClass": "fast"})
    claim = claims(gone)[CLAIM]
    assert "annotations" not in claim["metadata"]
    assert claim["spec"]["storageClassName"] == "fast"
    assert claim["spec"]["resources"]["requests"]["storage"] == "5Gi"


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_a_claim_that_is_there_is_taken_and_none_is_made(store: str) -> None:
    rendered = with_record(store, existingClaim="archive")
    assert data_volume(rendered) == "archive"
    assert claims(rendered) == {}


def test_the_claim_is_larger_than_the_pictures_that_retention_leaves() -> None:
    gigabytes = sum(map(int, re.findall(r"gb=(\d+)", Settings().retain)))
    size = claims(with_record("sqlite"))[CLAIM]["spec"]["resources"]["requests"]["storage"]
    assert gigabytes * 1e9 < int(size.removesuffix("Gi")) * 2**30


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_the_record_is_where_the_image_keeps_it(kind: str) -> None:
    text = (CHART.parents[2] / f"docker/{kind}.Dockerfile").read_text(encoding="utf-8")
    steps = [step for step in stages(text)[-1].steps if step.name == "ENV"]
    image = dict(pair for step in steps for pair in assignments(step.text))
    assert with_record("sqlite").environment["TAKT_DATA_FOLDER"] == image["TAKT_DATA_FOLDER"]


@pytest.mark.parametrize(
    "values", [{"replicas": 2}, {"autoscaling": {"enabled": True, "maxReplicas": 2}}]
)
def test_several_pods_do_not_share_a_file_of_sqlite(values: Values) -> None:
    helm = package("helm_python")
    with pytest.raises(helm.HelmError, match=r"record\.store=sqlite is a file of one pod.*postgre"):
        with_record("sqlite", values)
    assert with_record("sqlite", {"replicas": 0}).one("Deployment")["spec"]["replicas"] == 0


def test_no_pod_opens_the_file_while_the_last_one_still_has_it() -> None:
    strategy = with_record("sqlite", existingClaim="archive").one("Deployment")["spec"]["strategy"]
    assert strategy == {"type": "Recreate"}
    helm = package("helm_python")
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}}
    with pytest.raises(helm.HelmError, match=r"leave strategy out"):
        with_record("sqlite", {"strategy": rolling})
    assert with_record("sqlite", {"strategy": {"type": "Recreate"}})


def test_the_password_of_postgresql_comes_from_a_secret_and_from_nowhere_else() -> None:
    rendered = with_record("postgresql")
    (variable,) = [one for one in rendered.container["env"] if one["name"] == "TAKT_RECORD"]
    assert variable["valueFrom"] == {"secretKeyRef": {"name": "line-3-record", "key": "url"}}
    assert "value" not in variable
    helm = package("helm_python")
    with pytest.raises(
        helm.HelmError, match=r"create secret generic line-3-record --from-literal=url="
    ):
        render({"record": {"store": "postgresql"}})
    for wrong in ({"record": {"store": "postgresql://u:p@h/d"}}, {"settings": {"record": "none"}}):
        with pytest.raises(helm.HelmError, match="record"):
            render(wrong)


def test_pods_share_the_pictures_of_a_record_in_postgresql() -> None:
    rendered = with_record("postgresql", {"replicas": 3}, claim={"accessModes": ["ReadWriteMany"]})
    assert data_volume(rendered) == CLAIM
    assert claims(rendered)[CLAIM]["spec"]["accessModes"] == ["ReadWriteMany"]
    assert rendered.one("Deployment")["spec"]["strategy"]["type"] == "RollingUpdate"


@pytest.mark.parametrize("values", [{"replicas": 3}, {"autoscaling": {"enabled": True}}])
def test_several_pods_want_a_claim_that_they_can_share_or_no_pictures(values: Values) -> None:
    helm = package("helm_python")
    with pytest.raises(helm.HelmError, match=r"ReadWriteMany.*settings\.keep"):
        with_record("postgresql", values)
    without = with_record("postgresql", {**values, "settings": {"keep": "none"}})
    assert without.environment["TAKT_KEEP"] == "none"
    assert data_volume(without) is None and claims(without) == {}


@pytest.mark.parametrize(
    ("keep", "kept"), [(["rejects", "near=0.1"], True), (["none"], False), (None, True)]
)
def test_which_pictures_are_kept_may_be_a_list(keep: list[str] | None, kept: bool) -> None:
    rendered = with_record("postgresql", {"settings": {"keep": keep}})
    assert rendered.environment.get("TAKT_KEEP") == (",".join(keep) if keep else None)
    assert (data_volume(rendered) == CLAIM) is kept


def test_one_pod_with_pictures_lets_go_of_them_before_the_next_one_starts() -> None:
    strategy = with_record("postgresql").one("Deployment")["spec"]["strategy"]
    assert strategy == {"type": "Recreate"}


def test_a_network_policy_that_closes_the_way_to_the_database_is_refused() -> None:
    helm = package("helm_python")
    with pytest.raises(helm.HelmError, match=r"networkPolicy\.egress"):
        with_record("postgresql", {"networkPolicy": {"enabled": True}})
    way = [{"ports": [{"port": 5432, "protocol": "TCP"}]}]
    rendered = with_record("postgresql", {"networkPolicy": {"enabled": True, "egress": way}})
    assert rendered.one("NetworkPolicy")["spec"]["egress"] == way
    assert with_record("sqlite", {"networkPolicy": {"enabled": True}}).kind("NetworkPolicy")
