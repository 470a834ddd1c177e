"""The systems that are compared: how each is started, and how it wants to be asked."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.peers.payload import Form
from benchmarks.peers.places import HERE, Places
from takt.security.keys.key import new_key
from takt.security.keys.key_file import format_keys

CONTROL = "control"
OURS = "ours"
OURS_WHOLE = "ours-whole-decode"
OURS_KEYS = "ours-keys"
OURS_LEVELS = "ours-levels"
OURS_FLOATS = "ours-floats"
SERVERS = HERE / "servers"
ONE_WORKER = {"BENCH_WORKERS": "1", "BENCH_INTRA": "2"}
"""Two workers would let one take a whole batch while the other idles."""

REDUCED = (
    "decodes a JPEG that is much larger than the model's input at a fraction of its size, which "
    "its bundle allows; the others decode it whole, so that at 1280 × 960 its work is less and its "
    "scores differ"
)
WHOLE = "decodes whole pictures, as the others do: the same work at every size"

RUNTIME = ("onnxruntime", "opencv-python-headless", "numpy")


@dataclass(frozen=True, slots=True)
class System:
    """A serving system.

    Attributes:
        name: in tables and file names.
        python: that runs its script.
        script: serves $BENCH_MODEL on 127.0.0.1:$BENCH_PORT until SIGTERM.
        packages: whose versions are noted with its figures.
        path: that pictures are posted to.
        form: of the request's body.
        headers: that each request has beside those of its body.
        environment: of its process.
        pausable: whether it may be stopped by SIGSTOP while the control is measured.
        variant: run only when named.
        score_tolerance: how far its scores may be from the control's, relative to these.
        remark: what a reader of its figures must know.
    """

    name: str
    python: Path
    script: Path
    packages: tuple[str, ...] = RUNTIME
    path: str = "/predict"
    form: Form = "jpeg"
    headers: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    pausable: bool = True
    variant: bool = False
    score_tolerance: float = 0.01
    remark: str = ""


def systems(places: Places) -> dict[str, System]:
    """Every system by its name, the control among them."""
    found = [*_plain(places), *_ours(places)]
    return {system.name: system for system in found}


def _plain(places: Places) -> list[System]:
    def python(venv: str) -> Path:
        return places.venvs / venv / "bin" / "python"

    mosec = python("mosec")
    return [
        System(
            CONTROL,
            python(CONTROL),
            SERVERS / "control_app.py",
            (*RUNTIME, "fastapi", "starlette", "uvicorn", "uvloop", "httptools"),
        ),
        System("litserve", python("litserve"), SERVERS / "litserve_app.py", (*RUNTIME, "litserve")),
        System(
            "mosec",
            mosec,
            SERVERS / "mosec_app.py",
            (*RUNTIME, "mosec"),
            environment=ONE_WORKER,
        ),
        System(
            "mosec2stage",
            mosec,
            SERVERS / "mosec_app.py",
            (*RUNTIME, "mosec"),
            environment={"BENCH_TWO_STAGE": "1", "BENCH_WORKERS": "1", "BENCH_INTRA": "1"},
            variant=True,
        ),
        System(
            "ray",
            python("ray"),
            SERVERS / "ray_app.py",
            (*RUNTIME, "ray"),
            # It would write a token into the home folder, and report its use.
            environment={
                "PYTHONPATH": str(SERVERS),
                "RAY_AUTH_MODE": "disabled",
                "RAY_USAGE_STATS_ENABLED": "0",
            },
            pausable=False,
        ),
        System(
            "bentoml",
            python("bentoml"),
            SERVERS / "bentoml_app.py",
            (*RUNTIME, "bentoml"),
            form="multipart",
            environment={**ONE_WORKER, "BENTOML_DO_NOT_TRACK": "True"},
            # Its optimiser would learn the pause as time that a batch takes.
            pausable=False,
        ),
        System(
            "pytriton",
            python("pytriton"),
            SERVERS / "pytriton_start.py",
            (*RUNTIME, "nvidia-pytriton"),
            path="/v2/models/predict/infer",
            form="oip",
            environment=ONE_WORKER,
            pausable=False,
        ),
    ]


def _ours(places: Places) -> list[System]:
    def ours(name: str, folder: str, score_tolerance: float, remark: str) -> System:
        return System(
            name,
            Path(sys.executable),
            HERE / "serve.py",
            (*RUNTIME, "takt-inspection", "fastapi", "starlette", "uvicorn", "uvloop", "httptools"),
            path="/v1/models/bench/inspect",
            environment={"BENCH_BUNDLES": str(places.bundles / folder)},
            score_tolerance=score_tolerance,
            remark=remark,
        )

    plain = ours(OURS, "reduced", 0.03, REDUCED)
    resized = [
        replace(ours(name, kind, 0.03, remark), variant=True)
        for name, kind, remark in (
            (OURS_LEVELS, "levels", "resizes as torchvision does, rounded to whole levels"),
            (OURS_FLOATS, "floats", "resizes as torchvision does, and rounds nothing"),
        )
    ]
    return [plain, ours(OURS_WHOLE, "whole", 0.01, WHOLE), _with_keys(plain), *resized]


def _with_keys(plain: System) -> System:
    """The same with ten keys, of which the last one asks: what callers who are known cost."""
    made = [new_key(f"line{number}", frozenset({"inspect"})) for number in range(10)]
    (_, secret) = made[-1]
    return replace(
        plain,
        name=OURS_KEYS,
        headers={"Authorization": f"Bearer {secret}"},
        environment={
            **plain.environment,
            "TAKT_KEYS": format_keys(key for key, _ in made).decode(),
        },
        variant=True,
    )
