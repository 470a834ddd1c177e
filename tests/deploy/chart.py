"""The chart deploy/helm/takt as Helm itself renders it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.deploy_tools import package

CHART = Path(__file__).parents[2] / "deploy/helm/takt"
RELEASE = "line-3"
FULL_NAME = "line-3-takt"

Values = dict[str, Any]
Resource = dict[str, Any]

ALL_METRICS: Values = {
    "metrics": {
        "line": "press-3",
        "serviceMonitor": {"enabled": True},
        "rules": {"enabled": True},
        "limits": {"enabled": True, "cycleBudgetSeconds": 0.12},
        "dashboards": {"enabled": True},
    }
}


@dataclass(frozen=True)
class Rendered:
    """What a release of the chart would create.

    Attributes:
        resources: all of them.
        notes: what Helm prints afterwards.
    """

    resources: tuple[Resource, ...]
    notes: str

    def kind(self, kind: str) -> list[Resource]:
        """Those of a kind."""
        return [resource for resource in self.resources if resource["kind"] == kind]

    def one(self, kind: str) -> Resource:
        """The only one of a kind."""
        (found,) = self.kind(kind)
        return found

    @property
    def pod(self) -> Resource:
        """The pod of the deployment, without its metadata."""
        spec: Resource = self.one("Deployment")["spec"]["template"]["spec"]
        return spec

    @property
    def container(self) -> Resource:
        """The only container of that pod."""
        (found,) = self.pod["containers"]
        return found

    @property
    def environment(self) -> dict[str, str]:
        """The variables of that container, from the config map and its own; none of a Secret."""
        own = {entry["name"]: entry["value"] for entry in self.container["env"] if "value" in entry}
        name = self.container["envFrom"][0]["configMapRef"]["name"]
        (found,) = [one for one in self.kind("ConfigMap") if one["metadata"]["name"] == name]
        return found["data"] | own

    @property
    def mounts(self) -> dict[str, dict[str, Any]]:
        """By path in that container: the volume, and what its mount adds."""
        volumes = {volume["name"]: volume for volume in self.pod["volumes"]}
        return {
            mount["mountPath"]: volumes[mount["name"]] | mount
            for mount in self.container["volumeMounts"]
        }


WITH_KEYS: Values = {"keys": {"secret": "line-3-keys"}}
ON_A_CLAIM: Values = {"models": {"existingClaim": "models"}}


def complete(values: Values, *, keys: bool = True, models: bool = True) -> Values:
    """Values with keys, and with models on a claim, unless they have their own."""
    return (WITH_KEYS if keys else {}) | (ON_A_CLAIM if models else {}) | values


def render(values: Values | None = None, *, keys: bool = True, models: bool = True) -> Rendered:
    """A release named `line-3` in the namespace `plant`.

    Args:
        values: those that are not the chart's.
        keys: whether there are keys, whatever the values say.
        models: whether there are models, on a claim unless the values say where.

    Raises:
        helm_python.HelmError: the values are refused, with the reason.
    """
    helm = package("helm_python")
    with helm.Chart.load(CHART) as chart:
        given = complete(values or {}, keys=keys, models=models)
        files = chart.render(given, name=RELEASE, namespace="plant")
    notes = files.pop("takt/templates/NOTES.txt")
    found = [each for text in files.values() for each in yaml.safe_load_all(text) if each]
    return Rendered(tuple(found), notes)
