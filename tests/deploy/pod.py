"""The pod that the chart renders, without a cluster: its volumes laid out, its server started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.deploy.chart import Rendered
from tests.deploy.container import Running, started, wait_until_it_answers

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Key:
    """A key of a caller.

    Attributes:
        text: the key itself.
        file: the content of `keys.toml` that has its digest.
    """

    text: str
    file: bytes

    @property
    def header(self) -> dict[str, str]:
        """By which its caller shows it."""
        return {"authorization": f"Bearer {self.text}"}


@dataclass(frozen=True)
class Cluster:
    """What is in the namespace beside the release.

    Attributes:
        folder: an empty one, for the volumes.
        secrets: files of each Secret, by its name.
        config_maps: the same of config maps.
        claims: what each claim holds.
    """

    folder: Path
    secrets: Mapping[str, Files] = field(default_factory=dict)
    config_maps: Mapping[str, Files] = field(default_factory=dict)
    claims: Mapping[str, Path] = field(default_factory=dict)

    def place_of(self, volume: Mapping[str, Any]) -> Path:
        """The folder that a volume is here."""
        if "persistentVolumeClaim" in volume:
            return self.claims[volume["persistentVolumeClaim"]["claimName"]]
        place = self.folder / volume["name"]
        place.mkdir(exist_ok=True)
        if "secret" in volume:
            _fill(place, self.secrets[volume["secret"]["secretName"]])
        elif "configMap" in volume:
            _fill(place, self.config_maps[volume["configMap"]["name"]])
        else:
            assert "emptyDir" in volume, volume
        return place

    def variables_of(self, rendered: Rendered) -> dict[str, str]:
        """The variables of the container, those from Secrets included."""
        found: dict[str, str] = {}
        for source in rendered.container["envFrom"]:
            if "secretRef" in source:
                secret = self.secrets[source["secretRef"]["name"]]
                found |= {name: value.decode() for name, value in secret.items()}
        return found | rendered.environment


def _fill(place: Path, files: Files) -> None:
    """As the node's agent does: each file is a link into a folder that is exchanged as a whole."""
    version = place / "..version"
    version.mkdir(exist_ok=True)
    for name, content in files.items():
        (version / name).write_bytes(content)
        if not (place / name).is_symlink():
            (place / name).symlink_to(f"..data/{name}")
    if not (place / "..data").is_symlink():
        (place / "..data").symlink_to(version.name)


@contextmanager
def pod(rendered: Rendered, cluster: Cluster, *, ready: bool = True) -> Iterator[Running]:
    """The container of the pod, once its startup probe passes and, if wished, it is ready."""
    mounts = {path: cluster.place_of(volume) for path, volume in rendered.mounts.items()}
    with started(cluster.variables_of(rendered), mounts) as running:
        for kind in ("startup", "readiness") if ready else ("startup",):
            wait_until_it_answers(probe_url(rendered, running, kind), running.process)
        yield running


def probe_url(rendered: Rendered, running: Running, kind: str) -> str:
    """Where a probe asks."""
    asked = rendered.container[f"{kind}Probe"]["httpGet"]
    url = running.urls[asked["port"]]
    assert url.startswith(f"{asked.get('scheme', 'HTTP').lower()}://")
    return f"{url}{asked['path']}"
