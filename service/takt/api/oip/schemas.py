"""Answers of the Open Inference Protocol, as the API's document shows them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from takt.api.schemas import Schema
from takt.core.tensors.protocol import OUTPUTS, Datatype

_SHAPE = "Lengths of the axes, the pictures first; -1 where a length varies."


class ServerMetadataOut(Schema):
    """What serves."""

    name: str
    version: str = Field(description="Of Takt.")
    extensions: list[str]


class ServerLiveOut(Schema):
    """The process answers."""

    live: Literal[True]


class ServerReadyOut(Schema):
    """Whether the active version of every model is ready."""

    ready: bool


class ModelReadyOut(Schema):
    """Whether one version is ready."""

    name: str
    ready: bool


class TensorMetadataOut(Schema):
    """A tensor that a model reads or answers with."""

    name: str
    datatype: Datatype
    shape: list[int] = Field(description=_SHAPE)


class ModelMetadataOut(Schema):
    """The tensors of a model, and its versions."""

    name: str
    versions: list[str]
    platform: Literal["takt"]
    inputs: list[TensorMetadataOut] = Field(description="A request brings one of them.")
    outputs: list[TensorMetadataOut]


class InputConfigOut(Schema):
    """An input in Triton's form."""

    name: str
    data_type: str
    dims: list[int] = Field(description=_SHAPE)
    optional: Literal[True]


class OutputConfigOut(Schema):
    """An output in Triton's form."""

    name: str
    data_type: str
    dims: list[int] = Field(description=_SHAPE)


class ConfigParameterOut(Schema):
    """A parameter in Triton's form."""

    string_value: str


class ConfigParametersOut(Schema):
    """The parameters of a model's configuration."""

    active_version: ConfigParameterOut


class ModelConfigOut(Schema):
    """A model's configuration in Triton's form, as far as it applies."""

    name: str
    platform: Literal["takt"]
    backend: Literal["takt"]
    max_batch_size: Literal[0] = Field(description="The server makes the batches by itself.")
    input: list[InputConfigOut]
    output: list[OutputConfigOut]
    parameters: ConfigParametersOut


class IndexEntryOut(Schema):
    """One version of a model, and its state."""

    name: str
    version: str
    state: Literal["READY", "LOADING", "UNAVAILABLE"]
    reason: str = Field(description="Why it is not ready; empty if it is.")


class TensorParametersOut(Schema):
    """How a tensor's data is written."""

    binary_data_size: int | SkipJsonSchema[None] = Field(
        None, description="Bytes of it that follow the JSON, instead of `data`."
    )
    content_type: Literal["base64"] | SkipJsonSchema[None] = Field(
        None, description="Of the elements of `heatmap` in JSON."
    )


class OutputTensorOut(Schema):
    """A tensor of an answer."""

    name: str = Field(json_schema_extra={"enum": [spec.name for spec in OUTPUTS]})
    shape: list[int]
    datatype: Datatype
    parameters: TensorParametersOut | SkipJsonSchema[None] = None
    data: list[float | bool | str] | SkipJsonSchema[None] = Field(
        None, description="All values in one flat list, unless they follow the JSON as bytes."
    )


class InferParametersOut(Schema):
    """What else is told of an answer."""

    warnings: str = Field(
        description="JSON: for each picture a list of codes, which REST's `warnings` has too."
    )
    undecided: str = Field(
        description="JSON: for each picture why it cannot be judged, as REST's `undecided`, or "
        "null."
    )


class InferOut(Schema):
    """The answer to an inference request."""

    model_name: str
    model_version: str
    id: str | SkipJsonSchema[None] = Field(None, description="That of the request.")
    parameters: InferParametersOut | SkipJsonSchema[None] = Field(
        None, description="There if anything speaks against an answer."
    )
    outputs: list[OutputTensorOut]
