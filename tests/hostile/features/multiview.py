"""Views, recipes and codes as nobody should send them, beside parts that get their right result."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from takt_station.inspector import StationRecipe
from takt_station.recipe_list import NoneNamed, RecipeList
from tests.hostile.bundle import MODEL, spotted_picture, write_bundle
from tests.hostile.features.delivering import look_at
from tests.hostile.features.outcome import Outcome
from tests.hostile.server import Server, serve_command, started

RECIPE = "bracket"
VIEWS = ("top", "side")
_LANES = 4
_WITHIN_S = 30.0
_SLOWEST_CODE_S = 0.5
"""For one code before fifty recipes: a station has a part's cycle for it."""

_PICTURE = spotted_picture()
_TEXTS = (
    *("", " ", "a" * 5_000, "../../etc/passwd", "a/b", "%00", "\x00", "Ж" * 300, "a\r\nX: y", "-1"),
    *("0", "null", "top", "side", "TOP", "tоp", "\U0001f529", "a?b=c#d", "*", "[", "[!a-", "\\"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 3, 2**31, 2**63, 10**40, 0.5, -0.5, 1e308, 1e-320),
    *("NaN", [], {}, [[]], {"a": []}, ["a"] * 500, "1"),
    *_TEXTS,
)


def send_views(count: int, seed: int, folder: Path) -> Outcome:
    """Send odd views of parts, while good parts are inspected."""
    rng = random.Random(seed)
    return _send([_view(rng, number) for number in range(count)], folder)


def send_recipes(count: int, seed: int, folder: Path) -> Outcome:
    """Save and read odd recipes, while good parts are inspected by another one."""
    rng = random.Random(seed)
    return _send([_recipe(rng, number) for number in range(count)], folder)


def send_codes(count: int, seed: int, folder: Path) -> Outcome:
    """Have odd codes name recipes with odd patterns, beside good codes that name theirs."""
    rng, outcome = random.Random(seed), Outcome()
    good = StationRecipe(1, "good", VIEWS, codes=("GOOD-*",))
    for _ in range(count):
        others = [
            StationRecipe(number, f"odd-{number}", VIEWS, codes=tuple(_pattern(rng) for _ in "ab"))
            for number in range(2, rng.choice((3, 50)))
        ]
        began_s = time.monotonic()
        known = RecipeList([good, *others], VIEWS)
        try:
            found = known.named_by(_code(rng))
            right = known.named_by("GOOD-17")
        except Exception as error:
            outcome.note("an error")
            outcome.wrong.append(f"an error: {error!r:.200}")
            continue
        if (took_s := time.monotonic() - began_s) > _SLOWEST_CODE_S:
            outcome.wrong.append(f"{took_s:.1f} s for codes {[one.codes for one in others]!r:.300}")
        outcome.note("none" if found is None or isinstance(found, NoneNamed) else "a recipe")
        # A pattern of others that takes it as well makes it ambiguous, and nothing else.
        is_named = right == good or (
            isinstance(right, NoneNamed) and right.why.startswith("several recipes")
        )
        outcome.good += is_named
        outcome.unanswered += not is_named
    return outcome


def _code(rng: random.Random) -> str | None:
    return rng.choice((None, *_TEXTS, "GOOD-" + rng.choice(_TEXTS), "A" * rng.randrange(300)))


def _pattern(rng: random.Random) -> str:
    pieces = ("*", "?", "[a-z]", "[!a]", "[", "]", "**", "A", "-", "\\", "(a+)+", "$", "Ж", "a*a*")
    return "".join(rng.choice(pieces) for _ in range(rng.randrange(1, 40)))


Request = tuple[str, str, bytes, dict[str, str]]
"""Method, target, body and headers."""


def _view(rng: random.Random, number: int) -> Request:
    part = rng.choice((f"odd-{number}", f"odd-{rng.randrange(20)}", rng.choice(_TEXTS) or "x"))
    view = rng.choice((*VIEWS * 3, rng.choice(_TEXTS) or "x"))
    asked = {"recipe": rng.choice((*[RECIPE] * 6, "none", rng.choice(_TEXTS)))}
    for name in rng.sample(
        ("again", "lot", "station", "tags", "timeout_ms"), rng.choice((0, 0, 1))
    ):
        asked[name] = str(rng.choice(_VALUES))
    picture = rng.choice((_PICTURE, _PICTURE, b"", b"no picture", _PICTURE[:200], b"\xff" * 300))
    headers = {} if rng.random() < 0.8 else {f"X-Takt-{rng.choice(('Part', 'Tags'))}": "a" * 3_000}
    place = f"/v1/parts/{quote(part, safe='')}"
    query = urlencode(asked)
    return rng.choice((
        ("POST", f"{place}/views/{quote(view, safe='')}?{query}", picture, headers),
        ("POST", f"{place}/views/{quote(view, safe='')}?{query}", picture, headers),
        ("POST", f"{place}/end?{query}", b"", headers),
        ("GET", f"{place}?{urlencode({'wait_ms': rng.choice((0, 1, -1, 'x', 10**30))})}", b"", {}),
        ("POST", f"{place}/views/%C5{rng.randrange(9)}?{query}", picture, headers),
    ))  # fmt: skip


def _recipe(rng: random.Random, number: int) -> Request:
    body: dict[str, Any] = {
        "number": rng.choice((number + 10, 7, 0, -1)),
        "deadline_ms": 60_000,
        "alpha": 0.1,
        "views": [{"name": name, "model": MODEL} for name in VIEWS],
    }
    for _ in range(rng.choice((0, 1, 1, 2))):
        _spoil(rng, body)
    name = rng.choice((f"odd-{number}", f"odd-{rng.randrange(20)}", rng.choice(_TEXTS) or "x"))
    text = json.dumps(body).encode()
    if rng.random() < 0.2:
        at = rng.randrange(len(text))
        text = rng.choice((text[:at], text[:at] + b"\xff" + text[at:], b"[" * 60_000, b""))
    place = f"/v1/recipes/{quote(name, safe='')}"
    return rng.choice((
        ("PUT", place, text, {"Content-Type": "application/json"}),
        ("PUT", place, text, {"Content-Type": "application/json"}),
        ("PUT", f"{place}?check=true", text, {}),
        ("DELETE", place, b"", {}),
        ("GET", f"{place}/revisions?limit={rng.choice((1, 0, 'x', 10**30))}", b"", {}),
    ))  # fmt: skip


def _spoil(rng: random.Random, body: dict[str, Any]) -> None:
    """Put an odd value in some place of a recipe."""
    value = rng.choice(_VALUES)
    views = body.get("views")
    if isinstance(views, list) and views and isinstance(views[0], dict) and rng.random() < 0.5:
        name = rng.choice(("name", "model", "version", "thresholds", "camera", "roi", "odd"))
        views[rng.randrange(len(views))][name] = value
    elif rng.random() < 0.1 and isinstance(views, list):
        body["views"] = views * rng.choice((0, 2, 40))
    else:
        body[rng.choice(("number", "deadline_ms", "alpha", "views", "codes", "odd"))] = value


def _send(requests: list[Request], folder: Path) -> Outcome:
    outcome = Outcome()
    write_bundle(folder / "models")
    options = ("--record", "sqlite", "--data-folder", str(folder / "data"), "--no-request-log")
    with started(serve_command(folder / "models", *options)) as server:
        _save_recipe(server)
        with _good_parts(server, outcome), ThreadPoolExecutor(_LANES) as lanes:
            for status, told in lanes.map(lambda request: _ask(server, *request), requests):
                outcome.note(f"{status}")
                if status >= 500 or status == 0:
                    outcome.wrong.append(told)
        look_at(server, outcome)
    return outcome


def _save_recipe(server: Server) -> None:
    views = [
        {"name": name, "model": MODEL, "thresholds": {"image": image, "pixel": 1.0}}
        for name, image in zip(VIEWS, (0.9, 0.5), strict=True)
    ]
    body = {"number": 1, "deadline_ms": 60_000, "views": views}
    status, told = _ask(server, "PUT", f"/v1/recipes/{RECIPE}", json.dumps(body).encode(), {})
    assert status == 200, told


@contextlib.contextmanager
def _good_parts(server: Server, outcome: Outcome) -> Iterator[None]:
    """Parts of two views, of which the second one is a defect, as long as the block lasts."""
    ending = threading.Event()

    def inspect() -> None:
        for number in itertools.count():
            if ending.is_set():
                return
            _inspect_one(lambda *asked: _ask(server, *asked), f"good-{number}", outcome)

    thread = threading.Thread(target=inspect)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def _inspect_one(ask: Callable[..., tuple[int, str]], part: str, outcome: Outcome) -> None:
    for view in VIEWS:
        target = f"/v1/parts/{part}/views/{view}?recipe={RECIPE}"
        status, told = ask("POST", target, _PICTURE, {})
        if status != 200:
            outcome.unanswered += 1
            outcome.wrong.append(f"a good part: {told}")
            return
    outcome.good += 1
    said = json.loads(told)
    result = said["result"]
    # The first view has a threshold that the picture does not exceed.
    if (said["part"], result["verdict"], result["decided_by"]) != (part, "defect", VIEWS[1]):
        outcome.wrong.append(f"{part} has the result {told:.300}")


def _ask(
    server: Server, method: str, target: str, body: bytes, headers: dict[str, str]
) -> tuple[int, str]:
    """The status of an answer, 0 where none came, and what to tell of it."""
    address = server.address
    connection = http.client.HTTPConnection(address.host, address.port, timeout=_WITHIN_S)
    with contextlib.closing(connection):
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, f"{method} {target:.200} {body[:200]!r}: {error!r}"
    if answer.status == 200:
        return 200, text
    return answer.status, f"{answer.status} {method} {target:.200} {body[:300]!r}: {text:.300}"
