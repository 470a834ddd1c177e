"""A request to change something, as an order."""

from __future__ import annotations

from fastapi import Request

from service.api.problems import caller_of, client_of, request_id_of
from service.repository.orders import Kind, Order


def order_of(
    request: Request,
    kind: Kind,
    model: str,
    version: str | None,
    reason: str | None,
    *,
    image: float | None = None,
    pixel: float | None = None,
    undecided: bool | None = None,
) -> Order:
    """The order that a request gives.

    Args:
        request: says who asks.
        kind: of the change.
        model: name of the model.
        version: its version, if one is named.
        reason: why, if somebody said so.
        image: threshold of a picture's score; None leaves it.
        pixel: threshold of a map value; None leaves it.
        undecided: whether a picture that cannot be judged is undecided; None leaves it.
    """
    return Order(
        kind,
        model,
        version,
        image,
        pixel,
        undecided,
        reason,
        method=request.method,
        request_id=request_id_of(request.scope),
        caller=caller_of(request.scope).name,
        client=client_of(request),
    )
