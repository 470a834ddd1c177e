"""Descriptions of the models in the Open Inference Protocol: metadata, configuration, index."""

from __future__ import annotations

from takt.core.distribution import version
from takt.core.domain import Json
from takt.core.tensors.protocol import ANOMALY_MAP, INPUTS, OUTPUTS, TensorSpec
from takt.core.tensors.triton import TRITON_TYPES
from takt.repository.model_version import ModelVersion
from takt.repository.repository import ModelRepository

PLATFORM = "takt"


def server_metadata() -> Json:
    """Name, version and extensions of the server."""
    return {
        "name": "takt",
        "version": version(),
        "extensions": ["binary_tensor_data", "model_configuration"],
    }


def model_metadata(repository: ModelRepository, name: str, version: str | None) -> Json:
    """The tensors of a model, and its versions.

    Raises:
        ModelNotFoundError: there is no such model or version.
    """
    model = repository.get(name, version)
    return {
        "name": model.name,
        "versions": [other.version for other in repository if other.name == model.name],
        "platform": PLATFORM,
        "inputs": [_tensor(spec) for spec in INPUTS],
        "outputs": [{**_tensor(spec), "shape": list(_shape(spec, model))} for spec in OUTPUTS],
    }


def model_config(repository: ModelRepository, name: str, version: str | None) -> Json:
    """A model's configuration in Triton's form, as far as it applies.

    Raises:
        ModelNotFoundError: there is no such model or version.
    """
    model = repository.get(name, version)
    active = repository.model(name).active or ""
    return {
        "name": model.name,
        "platform": PLATFORM,
        "backend": PLATFORM,
        # The first axis is part of each shape: the server makes the batches itself.
        "max_batch_size": 0,
        "input": [{**_config(spec, spec.shape), "optional": True} for spec in INPUTS],
        "output": [_config(spec, _shape(spec, model)) for spec in OUTPUTS],
        "parameters": {"active_version": {"string_value": active}},
    }


def index(repository: ModelRepository, *, ready_only: bool) -> list[Json]:
    """Every version of every model, with its state."""
    return [_indexed(model) for model in repository if model.ready or not ready_only]


def _indexed(model: ModelVersion) -> Json:
    state = "READY" if model.ready else "LOADING" if model.state == "loading" else "UNAVAILABLE"
    reason = "" if model.ready else model.reason or model.state
    return {"name": model.name, "version": model.version, "state": state, "reason": reason}


def _shape(spec: TensorSpec, model: ModelVersion) -> tuple[int, ...]:
    """The tensor's shape; a map has the model's size, unless tiles make it vary by picture."""
    manifest = model.bundle.manifest if model.bundle else None
    if spec is not ANOMALY_MAP or manifest is None or manifest.tiling is not None:
        return spec.shape
    return (-1, *manifest.map_size)


def _tensor(spec: TensorSpec) -> Json:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}


def _config(spec: TensorSpec, shape: tuple[int, ...]) -> Json:
    return {"name": spec.name, "data_type": TRITON_TYPES[spec.datatype], "dims": list(shape)}
