"""A request to change something, as an order."""

from __future__ import annotations

from fastapi import Request

from takt.api.problems import caller_of, client_of, request_id_of
from takt.repository.orders import Kind, Order


def order_of(
    request: Request,
    kind: Kind,
    model: str,
    version: str | None,
    reason: str | None,
) -> Order:
    """The order that a request gives; it leaves the thresholds, which may be added.

    Args:
        request: says who asks.
        kind: of the change.
        model: name of the model.
        version: its version, if one is named.
        reason: why, if somebody said so.
    """
    return Order(
        *(kind, model, version),
        image=None,
        pixel=None,
        undecided=None,
        reason=reason,
        method=request.method,
        request_id=request_id_of(request.scope),
        caller=caller_of(request.scope).name,
        client=client_of(request),
    )
