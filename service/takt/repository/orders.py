"""Changes that somebody asks for: made by the worker that leads, and in force in all of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Literal

from takt.core.bundles.thresholds import ThresholdChange
from takt.core.domain import Json
from takt.core.errors import ConflictError, ModelNotFoundError, TaktError
from takt.core.pictures.good_facts import LEAST, knows_good_facts
from takt.observing.instruments.metrics import Metrics
from takt.peers import Led, Message, Peers, Reply
from takt.recording.audit.entry import Change
from takt.recording.audit.served import activation
from takt.recording.audit.trail import AuditTrail
from takt.repository.activation import Activated
from takt.repository.folder_watch import FolderWatch
from takt.repository.model import Model
from takt.repository.others import PROVED_WITHIN_S, Others
from takt.repository.repository import ModelRepository

Kind = Literal["set_thresholds", "reset_thresholds", "activate", "roll_back"]

_MADE_WITHIN_S: dict[Kind, float] = {
    "set_thresholds": 30.0,
    "reset_thresholds": 30.0,
    "activate": 3 * PROVED_WITHIN_S,
    "roll_back": 3 * PROVED_WITHIN_S,
}
logger = logging.getLogger("takt.repository")


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants to be changed.

    Attributes:
        kind: what.
        model: name of the model.
        version: its version; None for the active one, or the one before.
        image: threshold of a picture's score; None leaves it.
        pixel: threshold of a map value; None leaves it.
        undecided: whether a picture that cannot be judged is undecided; None leaves it.
        reason: why, if somebody said so.
        method: of the request.
        request_id: of the request.
        caller: name of who asks.
        client: address of who asks.
    """

    kind: Kind
    model: str
    version: str | None
    image: float | None
    pixel: float | None
    undecided: bool | None
    reason: str | None
    method: str
    request_id: str
    caller: str
    client: str | None


class Orders:
    """Makes changes one after another, each in all workers before it is answered.

    Each is counted, noted in the audit log and written to the folder by the worker that leads.

    Args:
        repository: this worker's models.
        watch: looks at the folder.
        metrics: counts the changes.
        trail: notes the changes in the audit log.
        peers: the other workers.

    Attributes:
        others: the models of the other workers.
    """

    def __init__(
        self,
        repository: ModelRepository,
        watch: FolderWatch,
        metrics: Metrics,
        trail: AuditTrail,
        peers: Peers,
    ) -> None:
        self._repository = repository
        self._watch = watch
        self.others = Others(repository, watch, peers)
        self._metrics = metrics
        self._trail = trail
        self._peers = peers
        self._turns: defaultdict[tuple[bool, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._led = Led(peers, "order", self._ordered, _unforeseen)

    async def make(self, order: Order) -> Json:
        """Make a change; gives what it did, as its answer has it.

        Raises:
            ModelNotFoundError: there is no such model or version.
            NotReadyError: a version cannot serve.
            UnavailableError: no worker leads at this moment.
            BundleError, EngineError, ConflictError: see `DeployedThresholds` and `Model`.
        """

        def may_be_made(replies: Sequence[Reply]) -> bool:
            if self._peers.leading.is_set():
                return False
            # Going back twice is none.
            has_ended = len(replies) < self._peers.workers - 1
            return any(reply.failure for reply in replies) or (
                has_ended and order.kind == "roll_back"
            )

        return await self._led.ask(asdict(order), _MADE_WITHIN_S[order.kind], may_be_made)

    def close(self) -> None:
        """Take no more orders, as the models are about to be closed."""
        self._led.stop()

    async def _ordered(self, body: Message) -> Message:
        return await self._make(Order(**body))

    async def _make(self, order: Order) -> Json:
        try:
            return await self._make_here(order)
        except ModelNotFoundError:
            if self._peers.workers == 1:
                raise
        # Another worker may have seen a new version first.
        await self._watch.look()
        return await self._make_here(order)

    async def _make_here(self, order: Order) -> Json:
        match order.kind:
            case "activate":
                model = self._repository.model(order.model)
                activate = partial(model.activate, order.version or "")
                return await self._activate(order, model, activate)
            case "roll_back":
                model = self._repository.model(order.model)
                return await self._activate(order, model, model.roll_back)
            case _:
                return await self._set_thresholds(order)

    async def _set_thresholds(self, order: Order) -> Json:
        version = self._repository.get(order.model, order.version)
        loaded = version.check_ready()
        thresholds = loaded.thresholds
        if order.undecided and not knows_good_facts(loaded.bundle.calibration):
            raise ConflictError(
                f"{version.name} {version.version} does not know what its good pictures look like, "
                "so it cannot tell which ones cannot be judged; `takt calibrate` with at least "
                f"{LEAST} pictures of good parts adds it"
            )

        def apply() -> ThresholdChange:
            if order.kind == "reset_thresholds":
                return thresholds.reset()
            return thresholds.change(
                image=order.image,
                pixel=order.pixel,
                undecided=order.undecided,
                reason=order.reason,
            )

        async with self._turn(order):
            # In a thread, as it waits for the disk.
            done = await asyncio.to_thread(apply)
            for kind in done.kinds:
                self._metrics.versions.threshold_changes.labels(order.model, kind).inc()
            await self.others.take_thresholds(version)
        answer: Json = {
            "request_id": order.request_id,
            "model": version.name,
            "version": version.version,
            "old": asdict(done.before),
            "new": asdict(done.after),
            "persisted": done.persisted,
        }
        change = Change(
            *(order.caller, "threshold_changed", version.name, version.version),
            old=answer["old"],
            new=answer["new"],
            reason=order.reason,
            client=order.client,
        )
        await self._note(order, change, {"action": order.method, **answer})
        return answer

    async def _activate(
        self,
        order: Order,
        model: Model,
        activate: Callable[[str | None, Callable[[str], Awaitable[None]]], Awaitable[Activated]],
    ) -> Json:
        async with self._turn(order):
            done = await activate(order.reason, partial(self.others.prove, model.name))
            await self.others.take_decision(model)
        answer: Json = {"request_id": order.request_id, "model": model.name, **asdict(done)}
        answer["before"] = done.before or ""
        change = activation(
            *(order.caller, model.name, done.before, done.version, order.reason, order.client)
        )
        await self._note(order, change, answer)
        return answer

    def _turn(self, order: Order) -> AbstractAsyncContextManager[None]:
        """One change of a kind at a time is made and told, so that the last one is told last."""
        if self._peers.workers == 1:
            return contextlib.nullcontext()
        return self._turns[order.kind in ("activate", "roll_back"), order.model]

    async def _note(self, order: Order, change: Change, answer: Json) -> None:
        said = {"reason": order.reason, "caller": order.caller, "client": order.client}
        await self._trail.note(change, {**answer, **said})


def _unforeseen(body: Message) -> TaktError:
    logger.exception("request %s: unforeseen error", body["request_id"])
    return TaktError(
        "something unforeseen went wrong; the service's log has it under this request id"
    )
