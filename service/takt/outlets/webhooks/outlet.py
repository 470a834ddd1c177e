"""Makes an outlet of each URL that the file has."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from takt.observing.records import AnswerRecord, Asked, PartRecord
from takt.outlets.forwarding import Carrier
from takt.outlets.kept import MakeMessages, OpenCarrier, OutletMessage, keep
from takt.outlets.message import part_body, verdict_body
from takt.outlets.metrics import OutletMetrics
from takt.outlets.plugin import Sender
from takt.outlets.settings import OutletSettings
from takt.outlets.webhooks.carrier import WebhookCarrier
from takt.outlets.webhooks.file import Secrets, Webhook, read_webhooks
from takt.outlets.webhooks.posting import Poster


def webhook_senders(
    settings: OutletSettings, folder: Path, metrics: OutletMetrics, *, recorded: bool
) -> Iterator[tuple[str, Sender]]:
    """What posts to each URL, with the name of its outlet, opened one after another.

    Args:
        settings: of the outlets.
        folder: in which they keep what they have not delivered.
        metrics: count what becomes of messages.
        recorded: whether the server keeps a record.

    Raises:
        ConfigurationError: the file or something in it cannot be used.
    """
    path = settings.webhooks_file
    if path is None:
        return
    private_hosts = frozenset(one.lower() for one in settings.webhooks_private_hosts)
    webhooks = read_webhooks(path)
    targets = {one.name: one.target(private_hosts) for one in webhooks}
    for one in webhooks:
        name, target = f"webhook-{one.name}", targets[one.name]
        poster, secrets = Poster(target, private_hosts), Secrets(path, one)
        # Without its path, which may hold a secret.
        carrier = WebhookCarrier(target.authority, poster, secrets.current, time.time)
        messages = _messages_of(one, recorded=recorded)
        most = settings.outlet_backlog
        yield name, keep(name, folder / name, most, messages, _always(carrier), metrics)


def _always(carrier: Carrier) -> OpenCarrier:
    return lambda _: carrier


def _messages_of(webhook: Webhook, *, recorded: bool) -> MakeMessages:
    wanted = frozenset(webhook.verdicts)

    def of_answer(answer: AnswerRecord, asked: Asked) -> OutletMessage | None:
        if answer.verdict.name not in wanted:
            return None
        return OutletMessage("", verdict_body(answer, asked, recorded=recorded))

    def of_part(part: PartRecord) -> OutletMessage | None:
        return OutletMessage("", part_body(part)) if part.verdict in wanted else None

    return MakeMessages(of_answer, of_part)
