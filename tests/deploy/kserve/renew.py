"""KServe's own schemas of what deploy/kserve has, cut out of its custom resource definitions.

    python -m tests.deploy.kserve.renew KSERVE    # a checkout of github.com/kserve/kserve

What is cut away is of other things: a field there is one that the test refuses.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
KINDS = {
    "ServingRuntime": ("servingruntimes", "v1alpha1"),
    "InferenceService": ("inferenceservices", "v1beta1"),
}
OF_RUNTIME = ("affinity", "builtInAdapter", "workerSpec")
OF_SERVICE = ("canary", "explainer", "transformer")
OF_PREDICTOR = (
    *("affinity", "containers", "initContainers", "volumes", "workerSpec"),
    *("huggingface", "lightgbm", "onnx", "paddle", "pmml", "pytorch", "sklearn", "tensorflow"),
    *("triton", "xgboost"),
)


def schema_of(checkout: Path, kind: str) -> dict[str, Any]:
    """The schema of a kind, without what is of other things."""
    plural, version = KINDS[kind]
    file = checkout / "config" / "crd" / "full" / f"serving.kserve.io_{plural}.yaml"
    definition = yaml.safe_load(file.read_text(encoding="utf-8"))
    (schema,) = (
        one["schema"]["openAPIV3Schema"]
        for one in definition["spec"]["versions"]
        if one["name"] == version
    )
    schema["properties"].pop("status")
    spec = schema["properties"]["spec"]["properties"]
    for name in OF_RUNTIME if kind == "ServingRuntime" else OF_SERVICE:
        del spec[name]
    if kind == "InferenceService":
        for name in OF_PREDICTOR:
            del spec["predictor"]["properties"][name]
    return dict(schema)


def renew(checkout: Path) -> None:
    """Write the schemas, and from which commit they are."""
    asked = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    for kind in KINDS:
        found = {"source": f"https://github.com/kserve/kserve/tree/{commit}/config/crd/full"}
        found["licence"] = "Apache-2.0, in LICENSE.kserve.txt"
        text = json.dumps(found | {"schema": schema_of(checkout, kind)}, separators=(",", ":"))
        (HERE / f"{kind}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    renew(Path(sys.argv[1]))
