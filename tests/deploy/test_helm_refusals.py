"""Values with which no release is made, and what the chart says to do instead."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.deploy.chart import FULL_NAME, Rendered, Values, render
from tests.deploy.deploy_tools import package

STORE = "https://models.plant.example/line-3"
ISSUER = {"oidc_issuer": "https://login.example", "oidc_audience": "takt"}


def refusal(values: Values | None = None, **which: Any) -> str:
    """What Helm says of a release that it does not make."""
    with pytest.raises(package("helm_python").HelmError) as refused:
        render(values, **which)
    return str(refused.value)


def test_by_its_defaults_the_chart_makes_nothing_and_says_all_that_is_missing() -> None:
    said = refusal(keys=False, models=False)
    assert "takt keys add camera --scope inspect --scope read --file keys.toml" in said
    assert "kubectl -n plant create secret generic line-3-keys --from-file=keys.toml" in said
    assert {"keys.secret", "models.url", "models.existingClaim", "models.hostPath"} <= set(
        re.findall(r"--set (\S+)=", said)
    )


def test_what_the_refusals_tell_to_set_is_taken() -> None:
    said = refusal(keys=False, models=False)
    for place in re.findall(r"--set models\.(\S+)=", said):
        where, _, inner = place.partition(".")
        given = STORE if where == "url" else "/srv/models"
        models = {where: {inner: given} if inner else given}
        assert isinstance(render({"models": models}), Rendered)


def test_fewer_pods_at_most_than_at_least_are_refused() -> None:
    scaling = {"enabled": True, "minReplicas": 5, "maxReplicas": 4}
    assert "autoscaling.minReplicas is 5 and maxReplicas 4" in refusal({"autoscaling": scaling})
    render({"autoscaling": scaling | {"minReplicas": 4}})
    render({"autoscaling": scaling | {"enabled": False}})


@pytest.mark.parametrize(("keys", "models"), [(False, True), (True, False)])
def test_what_is_there_is_not_asked_for(keys: bool, models: bool) -> None:
    said = refusal(keys=keys, models=models)
    assert ("keys.secret" in said) is not keys
    assert ("models.url" in said) is not models


@pytest.mark.parametrize("values", [{"insecure": True}, {"settings": ISSUER}])
def test_keys_are_not_asked_for_where_callers_are_known_otherwise_or_need_not_be(
    values: Values,
) -> None:
    assert render(values, keys=False).one("Deployment")["metadata"]["name"] == FULL_NAME


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ({"url": STORE, "existingClaim": "models"}, r"models\.existingClaim and models\.url are"),
        ({"hostPath": "/srv", "image": {"reference": "m:7"}}, r"hostPath and models\.image"),
        ({"hostPath": "/srv", "credentials": {"secret": "store"}}, r"credentials\.secret is for"),
        ({"url": STORE, "readOnly": True}, r"readOnly and models\.subPath are of a volume"),
        ({"url": STORE, "subPath": "line-3"}, r"readOnly and models\.subPath are of a volume"),
    ],
)
def test_models_are_in_one_place(models: Values, said: str) -> None:
    assert re.search(said, refusal({"models": models}))


@pytest.mark.parametrize(
    "url",
    [
        "models.plant.example",
        "ftp://models.plant.example/a",
        "s3://",
        # Secrets are for Secrets: what stands here is in every description of the pod.
        "https://takt:password@models.plant.example/a",
        "https://models.plant.example/a?token=1",
    ],
)
def test_a_url_of_no_kind_of_store_or_with_a_password_is_refused(url: str) -> None:
    assert "url" in refusal({"models": {"url": url}})


def test_an_ingress_has_a_host() -> None:
    assert "--set ingress.host=" in refusal({"ingress": {"enabled": True}})


@pytest.mark.parametrize("host", ["https://takt.example", "takt.example/line", "takt.example:443"])
def test_the_host_of_an_ingress_is_a_name(host: str) -> None:
    assert "host" in refusal({"ingress": {"enabled": True, "host": host}})


def test_authorities_of_clients_want_a_certificate() -> None:
    assert "tls.secret" in refusal({"tls": {"clientAuthorities": "plant-ca"}})


def test_a_network_policy_lets_the_controller_of_an_ingress_in() -> None:
    exposed = {"ingress": {"enabled": True, "host": "takt.plant.example"}}
    said = refusal(exposed | {"networkPolicy": {"enabled": True}})
    assert re.search(r"networkPolicy\.from.*namespace plant .*controller", said)
    controllers = [{"namespaceSelector": {"matchLabels": {"name": "ingress-nginx"}}}]
    let_in = {"networkPolicy": {"enabled": True, "from": controllers}}
    (calls, _) = render(exposed | let_in).one("NetworkPolicy")["spec"]["ingress"]
    assert calls["from"] == controllers


def test_a_network_policy_leaves_a_way_to_the_models() -> None:
    closed = {"models": {"url": STORE}, "networkPolicy": {"enabled": True}}
    assert re.search(r"networkPolicy\.egress.*models\.url", refusal(closed))
    way = [{"ports": [{"port": 443, "protocol": "TCP"}]}]
    open_ = {"models": {"url": STORE}, "networkPolicy": {"enabled": True, "egress": way}}
    assert render(open_).one("NetworkPolicy")["spec"]["egress"] == way


@pytest.mark.parametrize(
    "settings",
    [ISSUER, {"mqtt_url": "mqtt://broker.plant"}, {"webhooks_file": "/etc/takt/hooks/hooks.toml"}],
)
def test_a_network_policy_leaves_a_way_to_whom_the_settings_name(settings: Values) -> None:
    closed = {"settings": settings, "networkPolicy": {"enabled": True}}
    named = next(iter(settings))
    assert re.search(rf"networkPolicy\.egress.*settings\.{named} is set", refusal(closed))
    way = [{"ports": [{"port": 8883, "protocol": "TCP"}]}]
    open_ = {"settings": settings, "networkPolicy": {"enabled": True, "egress": way}}
    assert render(open_).one("NetworkPolicy")["spec"]["egress"] == way


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"imge": {}}, "imge"),
        ({"settings": {"max_queue": 3}}, "max_queue"),
        ({"settings": {"port": 1}}, "port"),
        ({"image": {"digest": "sha256:1"}}, "digest"),
        ({"shutdown": {"marginSeconds": 0}}, "marginSeconds"),
        ({"networkPolicy": {"from": []}}, "from"),
        (
            {"metrics": {"limits": {"enabled": True}}, "resources": {"limits": {"memory": "2GB"}}},
            "2GB: write it as",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_the_reason(values: Values, reason: str) -> None:
    assert re.search(reason, refusal(values))
