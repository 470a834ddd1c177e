"""A request that Triton hands over: read as any other of the protocol, and answered by tensors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from takt.api.given import validated
from takt.api.oip.inputs import Data
from takt.api.oip.request import InferenceRequest, InferIn, OipLimits, checked
from takt.api.oip.response import outputs_of
from takt.core.domain import Inspection
from takt.core.errors import TaktError
from takt.core.tensors.protocol import DEFAULT_OUTPUTS, IMAGE, INPUTS, OUTPUTS
from takt.core.tensors.triton import TRITON_OUTPUTS, WARNINGS

_DATATYPES = {spec.name: spec.datatype for spec in INPUTS}
_CODES = {404: "NOT_FOUND", 429: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "UNAVAILABLE"}
"""Triton's codes of errors by our status; it has none for a time that has passed."""


class TritonRequest:
    """A request that Triton hands over.

    Args:
        given: Triton's `InferenceRequest`.
        limits: bounds of a request.

    Attributes:
        inference: the pictures and their options.

    Raises:
        RequestError: the request is malformed, too large, or names what does not exist.
    """

    def __init__(self, given: Any, limits: OipLimits) -> None:
        named = set(given.requested_output_names())
        # Triton names every output where the request names none.
        unnamed = named.issuperset(spec.name for spec in TRITON_OUTPUTS)
        self._wants_warnings = WARNINGS.name in named
        wanted = DEFAULT_OUTPUTS if unnamed else [one for one in OUTPUTS if one.name in named]
        self._only_warnings = not wanted
        tensors = {one.name(): one.as_numpy() for one in given.inputs()}
        parameters = json.loads(given.parameters() or "{}")
        if (timeout_us := given.timeout()) > 0:
            parameters["timeout"] = timeout_us
        inputs = [
            {"name": name, "shape": list(values.shape), "datatype": _DATATYPES[name]}
            for name, values in tensors.items()
        ]
        outputs = [{"name": spec.name} for spec in wanted]
        fields = {"inputs": inputs, "parameters": parameters, "outputs": outputs or None}
        parsed = validated(InferIn, fields, "the request")
        data = next(iter(_held(name, values) for name, values in tensors.items()), None)
        self.inference: InferenceRequest = checked(parsed, data, limits)

    def answer(self, triton: Any, inspections: Sequence[Inspection]) -> Any:
        """Triton's `InferenceResponse` with the outputs that the request wants.

        Args:
            triton: Triton's module `triton_python_backend_utils`.
            inspections: of the pictures, in their order.

        Raises:
            InvalidParameterError: the maps of the pictures have different sizes.
        """
        tensors = []
        if not self._only_warnings:
            for wanted, _, values in outputs_of(self.inference, inspections):
                array = np.array(values, np.object_) if isinstance(values, list) else values
                tensors.append(triton.Tensor(wanted.spec.name, array))
        if self._wants_warnings:
            listed = [orjson.dumps(one.warnings) for one in inspections]
            tensors.append(triton.Tensor(WARNINGS.name, np.array(listed, np.object_)))
        return triton.InferenceResponse(output_tensors=tensors)


def refusal(triton: Any, error: TaktError) -> Any:
    """Triton's `InferenceResponse` for an error; clients see the words that Takt's server has."""
    name = _CODES.get(error.status, "INVALID_ARG" if error.status < 500 else "INTERNAL")
    return triton.InferenceResponse(
        error=triton.TritonError(str(error), getattr(triton.TritonError, name))
    )


def _held(name: str, values: np.ndarray[Any, Any]) -> Data:
    """What a tensor holds."""
    if name == IMAGE.name:
        return list(values.ravel())
    return np.ascontiguousarray(values).ravel().data
