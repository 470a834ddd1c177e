"""Every page of the console with content, for what must hold on all of them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.api.keys import KEYS
from tests.api.stations.reports import AT, REPORT, RESULT
from tests.console.conftest import BANK, ROOT, key_field, log_in
from tests.console.scene import MODEL, pictures
from tests.fake_learn import TAUGHT

MAIN = ROOT / "service/takt/console/static/main.js"


def pages_of_the_router() -> set[str]:
    """The names that the console's router knows, and `login`."""
    (listed,) = re.findall(r"^const PAGES = \[(.*)\];$", MAIN.read_text("utf-8"), re.M)
    return {*re.findall(r'"(\w+)"', listed), "login"}


@dataclass(frozen=True)
class Filled:
    """A server with keys, two versions of which one has failed, and a record with inspections.

    Attributes:
        url: of the server.
        rejected: number of an inspection that rejected its part.
    """

    url: str
    rejected: int


@dataclass(frozen=True)
class Place:
    """A page in one of its states.

    Attributes:
        page: its name in the router.
        state: what is to be seen there.
        path: its address.
        prepare: brings it there.
    """

    page: str
    state: str
    path: str
    prepare: Callable[[Page], Any]

    @property
    def title(self) -> str:
        """Tells it from the others."""
        return f"{self.page}: {self.state}"

    def open(self, page: Page, filled: Filled) -> None:
        """Open it, logged in unless it is the page to log in."""
        page.goto(f"{filled.url}/console/{self.path.format(rejected=filled.rejected)}")
        if self.page != "login":
            log_in(page, "all")
        self.prepare(page)


def fill(start_server: Any, folder: Path) -> Any:
    """A server process with content; a context."""
    repository = folder / "models"
    shutil.copytree(BANK / MODEL, repository / MODEL)
    shutil.copytree(BANK / MODEL / "1", repository / MODEL / "0")
    (repository / MODEL / "0/manifest.json").write_text("{}")
    data, keys = folder / "data", folder / "keys.toml"
    keys.write_text(KEYS)
    keys.chmod(0o600)
    options = ("--record", "sqlite", "--data-folder", str(data), "--keys-file", str(keys))
    return start_server(repository, *options)


def see(role: Any, name: str | None = None) -> Callable[[Page], Any]:
    """Wait until something is there."""
    return lambda page: expect(page.get_by_role(role, name=name).first).to_be_visible()


def _without_models(page: Page) -> None:
    """As a server shows itself that has none."""
    page.route("**/v1/models", lambda route: route.fulfill(json={"models": [], "source": None}))
    page.reload()
    expect(page.get_by_role("link", name="Learn the first model")).to_be_visible()


def _tried(page: Page) -> None:
    page.set_input_files("input[type=file]", [pictures("pitting")[2], pictures("good")[0]])
    expect(page.get_by_role("table").first).to_be_visible()


def _marked(page: Page) -> None:
    """A box is being drawn."""
    expect(page.get_by_role("button", name="Mark a defect")).to_be_visible()
    page.keyboard.press("b")
    expect(page.get_by_role("form", name="Mark a defect")).to_be_visible()


def _a_view(page: Page) -> None:
    """As an inspection shows itself that is one of several views of a part."""
    seen = {"state": "inspected", "request_id": "r", "model": "pitting", "version": "1"}
    seen |= {"verdict": "defect", "score": 0.6, "threshold": 0.5, "scaled": 1.2}
    views = [{**seen, "view": "top", "inspection_id": 4712}]
    views += [{**dict.fromkeys(views[0]), "view": "side", "state": "missing"}]
    result = {"verdict": "undecided", "reason": "missing_view", "view": "top", "views": views}
    part = {"part": "A-17", "recipe": "bracket", "revision": 3, "views": views, "result": result}

    def viewed(route: Route) -> None:
        answer = route.fetch()
        of_part = {"part": "A-17", "part_number": 5, "view": "top"}
        route.fulfill(response=answer, json=answer.json() | of_part)

    page.route(re.compile(r"/v1/inspections/\d+$"), viewed)
    page.route(re.compile("/v1/parts/A-17"), lambda route: route.fulfill(json={"part": part}))
    page.reload()
    expect(page.get_by_role("heading", name="Part A-17")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("^side"))).to_contain_text("missing")


def _tried_and_marked(page: Page) -> None:
    _tried(page)
    _marked(page)


def _about_to_teach(page: Page) -> None:
    """A server has one learning, which another test may have begun: here it has none."""
    found: dict[str, Any] = {"jobs": [], "obstacles": [], "signing": None}
    page.route("**/v1/learning", lambda route: route.fulfill(json=found))
    page.get_by_role("button", name="Teach").click()
    expect(page.get_by_role("dialog").get_by_role("list")).to_be_visible()


def _taught(page: Page) -> None:
    """What came of a teaching that no server has done."""
    learned = {
        **{"version": "2", "pictures": "2 pictures", "threshold": 0.5, "promise": "none"},
        **{"self_test": None, "findings": ["few_pictures: take more"], "compared": []},
        **{"notes": [], "standing": "waiting", "reason": None, "taught": TAUGHT | {"p_value": 0.1}},
        "advice": [],
    }
    job = {"id": "7", "model": MODEL, "teach": True, "state": "done", "learned": learned}
    found = {"jobs": [job], "obstacles": [], "signing": None}
    page.route("**/v1/learning", lambda route: route.fulfill(json=found))
    page.get_by_role("button", name="Teach").click()
    expect(page.get_by_text("Of 20 judged defects it finds 14.")).to_be_visible()


def _streamed(page: Page) -> None:
    parts = [*pictures("good")[:2], *pictures("pitting")[3:5]]
    page.get_by_label("Video or pictures").set_input_files(parts)
    expect(page.get_by_text("All frames are answered")).to_be_visible()
    expect(page.locator(".rejects a").first).to_be_visible()
    page.keyboard.press("f")


def _calling(page: Page) -> None:
    """As it is where a lamp has faded, at the first of the streams."""

    def add_alarm(route: Route) -> None:
        watch = route.fetch().json()
        watch["calling"] = [alarm_of(**watch["streams"][0])]
        route.fulfill(json=watch)

    page.route("**/v1/watch", add_alarm)
    page.reload()
    page.get_by_text("If that is not it").click()
    expect(page.get_by_role("figure", name="Course: Brightness")).to_be_visible()
    expect(page.get_by_role("img", name="Now: inspection 2")).to_be_visible()


def _acknowledging(page: Page) -> None:
    _calling(page)
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def alarm_of(model: str, version: str, station: str, **_: Any) -> dict[str, Any]:
    """An alarm of a stream: it has become darker."""
    at = "2026-11-30T03:12:59Z"
    facts = (("brightness", 122.1, 90.0), ("contrast", 49.5, 36.9))
    return {
        **{"id": 7, "model": model, "version": version, "station": station, "cause": "camera"},
        "moved": [
            {"fact": fact, "side": "low", "share": 0.4, "usual": usual, "now": now}
            for fact, usual, now in facts
        ],
        **{"since": at, "since_id": 1, "raised": at, "raised_id": 2, "ended": None},
        **{"acknowledged": None, "acknowledged_by": None, "note": None, "snoozed_until": None},
        **{"calls": True, "then_id": 1, "now_id": 2},
    }


def station_of(**changed: Any) -> dict[str, Any]:
    """A station with results of every kind, as `GET /v1/stations/{station}` has it."""
    kinds = ({"result": "ok"}, {"result": "ng"}, {"result": "no_decision", "reason": "deadline"})
    usual = {"reason": None, "late": None, "score": 0.4}
    results = [{**RESULT, **usual, **kinds[number % 3], "part": number} for number in range(30)]
    said = {name: one for name, one in REPORT.items() if name not in ("taken", "results")}
    return {
        **said,
        **{"name": "press-1", "state": "online", "flow": "flowing", "wish": None},
        **{"heard_at": AT, "silent_ms": 80.0},
        "results": [*results, RESULT],
        **changed,
    }


def show_station(page: Page, **changed: Any) -> None:
    """Have a server tell of a station, whatever it knows itself."""
    station = station_of(**changed)
    listed = {name: one for name, one in station.items() if name != "results"}
    page.route("**/v1/stations", lambda route: route.fulfill(json={"stations": [listed]}))
    page.route("**/v1/stations/press-1", lambda route: route.fulfill(json={"station": station}))
    recipes = {"recipes": [recipe_of("bracket", 7), recipe_of("bolt", 8)]}
    page.route("**/v1/recipes", lambda route: route.fulfill(json=recipes))
    page.reload()


def recipe_of(name: str, number: int) -> dict[str, Any]:
    """A recipe of one view."""
    views = [{"name": "top", "model": MODEL, "version": "1"}]
    return {"name": name, "number": number, "revision": 1, "views": views}


def _recipes(page: Page, **changed: Any) -> None:
    """As a server shows itself that has two recipes, one of which has been changed."""
    kept = {"source": "calibration", "alpha": 0.005, "good_count": 399, "part_count": None}
    by_hand = {"source": "hand", "alpha": None, "good_count": None, "part_count": None}
    camera = {"exposure_us": 900.0, "light": "ring", "hdr": True}
    top = {"thresholds": {"image": 0.41, "pixel": 0.52, **kept}, "camera": camera}
    side = {"thresholds": {"image": 0.4, "pixel": 1e30, **by_hand}, "camera": {}}
    views = [
        {"name": name, "model": MODEL, "version": "1", "graph": "0a", **said}
        for name, said in (("top", top), ("side", side))
    ]
    saved = {"changed_at": AT, "changed_by": "leader", "reason": "a second camera"}
    of = {"revision": 3, "alpha": 0.01, "deadline_ms": 800.0, "views": views, "outdated": []}
    of["codes"] = ["AB-*"]
    recipes = [
        {"name": name, "number": number, **of, **saved, **changed}
        for name, number in (("bracket", 7), ("bolt", 8))
    ]
    former = {**recipes[0], "deadline_ms": 500.0, "views": views[:1]}
    revisions = [
        {"revision": number, **saved, "recipe": recipe}
        for number, recipe in ((3, recipes[0]), (2, None), (1, former))
    ]
    page.route("**/v1/recipes", lambda route: route.fulfill(json={"recipes": recipes}))
    page.route("**/v1/recipes/bracket", lambda route: _one_recipe(route, recipes[0]))
    page.route(
        "**/v1/recipes/bracket/revisions*",
        lambda route: route.fulfill(json={"name": "bracket", "revisions": revisions}),
    )
    page.reload()


def _one_recipe(route: Route, recipe: dict[str, Any]) -> None:
    if route.request.method == "PUT":
        refused = {"code": "recipe_changed", "title": "Recipe changed", "detail": "by leader"}
        route.fulfill(status=409, json=refused)
        return
    route.fulfill(json={"recipe": recipe})


def _all_recipes(page: Page) -> None:
    _recipes(page)
    expect(page.get_by_role("article", name="bracket")).to_be_visible()


def _one_of_the_recipes(page: Page) -> None:
    _recipes(page, outdated=["top"])
    expect(page.get_by_text("Revision 3")).to_be_visible()


def _changing_a_recipe(page: Page) -> None:
    _recipes(page)
    expect(page.get_by_label("Value of exposure_us")).to_be_visible()


def _refused_recipe(page: Page) -> None:
    _changing_a_recipe(page)
    page.get_by_label("Number", exact=True).fill("7")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()


def _removing_a_recipe(page: Page) -> None:
    _one_of_the_recipes(page)
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()


def _a_station(page: Page) -> None:
    show_station(page)
    expect(page.get_by_role("article", name="press-1")).to_be_visible()
    expect(page.get_by_role("region", name="Recipes")).to_be_visible()


def _without_a_plc(page: Page) -> None:
    show_station(page, flow="no_plc", plc={"connected": False, "heard_at": None})
    expect(page.get_by_text("No PLC reads or writes")).to_be_visible()


def _at_work(page: Page) -> None:
    show_station(page)
    expect(page.get_by_role("figure", name="From trigger to result")).to_be_visible()


def _faulted(page: Page) -> None:
    gone = {"connected": False, "heard_at": AT}
    cameras = [{"name": "top", "well": False}]
    fault = {"state": "offline", "offline_reason": "fault", "flow": "fault"}
    show_station(page, **fault, plc=gone, cameras=cameras)
    expect(page.get_by_text("Verdicts came late several times")).to_be_visible()


def _silent(page: Page) -> None:
    show_station(page, state="silent", flow="silent", silent_ms=90_000.0)
    expect(page.get_by_text("It has said nothing for 90 s")).to_be_visible()


def _changing_the_recipe(page: Page) -> None:
    _at_work(page)
    page.get_by_role("button", name="Change the recipe").click()
    expect(page.get_by_role("dialog").get_by_label("Recipe")).to_have_value("8")


def _unreadable(page: Page) -> None:
    file = {"name": "broken.png", "mimeType": "image/png", "buffer": b"no picture"}
    page.set_input_files("input[type=file]", [file])
    expect(page.get_by_role("alert").first).to_be_visible()


def _gathering(page: Page) -> None:
    """Two pictures for a version; a server has one learning, which another test may have begun."""
    name = page.get_by_label("Model (a new name")
    name.or_(page.locator(".drop")).first.wait_for()
    if name.is_visible():
        name.fill("bolts")
        page.get_by_role("button", name="Gather pictures").click()
    page.set_input_files("input[type=file]", pictures("good")[:2])
    expect(page.get_by_text("Pictures: 2 (")).to_be_visible()


def _explained(page: Page) -> None:
    page.get_by_text("What to do about").first.click()
    expect(page.get_by_text("From docs/operations.md")).to_be_visible()
    page.get_by_text("Numbers of").first.click()


def _asked_why(page: Page) -> None:
    page.get_by_role("button", name="Lower", exact=True).click()
    page.get_by_role("button", name="Serve by this threshold").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def _wrong_key(page: Page) -> None:
    key_field(page).fill("takt_wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()


PLACES = (
    Place("login", "a wrong key", "live", _wrong_key),
    Place("live", "nothing runs", "live", see("combobox", "Model")),
    Place("live", "there is no model yet", "live", _without_models),
    Place("live", "a station with rejects", "live", _streamed),
    Place("stations", "none", "stations", see("status")),
    Place("stations", "one", "stations", _a_station),
    Place("stations", "one without a PLC", "stations", _without_a_plc),
    Place("stations", "one at work", "stations/press-1", _at_work),
    Place("stations", "a fault", "stations/press-1", _faulted),
    Place("stations", "a silent one", "stations/press-1", _silent),
    Place("stations", "another recipe", "stations/press-1", _changing_the_recipe),
    Place("stations", "none of this name", "stations/nowhere", see("status")),
    Place("recipes", "none", "recipes", see("status")),
    Place("recipes", "two", "recipes", _all_recipes),
    Place("recipes", "one and its history", "recipes/bracket", _one_of_the_recipes),
    Place("recipes", "one is to be removed", "recipes/bracket", _removing_a_recipe),
    Place("recipes", "one is changed", "recipes/bracket?change=1", _changing_a_recipe),
    Place("recipes", "somebody else was first", "recipes/bracket?change=1", _refused_recipe),
    Place("recipes", "a new one", "recipes?change=1", see("button", "Add a view")),
    Place("try", "nothing dropped", "try", see("heading")),
    Place("try", "two pictures", "try", _tried),
    Place("try", "a box is drawn", "try", _tried_and_marked),
    Place("try", "a broken file", "try", _unreadable),
    Place("review", "a grid", "review", see("listbox")),
    Place("review", "a box is drawn", "review", _marked),
    Place("review", "a model is to be taught", "review", _about_to_teach),
    Place("review", "a model was taught", "review", _taught),
    Place("review", "a calendar", "review/calendar", see("heading")),
    Place("review", "figures", "review/figures", see("heading")),
    Place("watch", "nothing calls", "watch", see("figure", "Course: Brightness")),
    Place("watch", "an alarm calls", "watch", _calling),
    Place("watch", "an alarm is acknowledged", "watch", _acknowledging),
    Place("models", "all of them", "models", see("table")),
    Place("models", "one version", f"models/{MODEL}?version=1", see("slider")),
    Place("models", "a version that failed", f"models/{MODEL}?version=0", see("heading")),
    Place("models", "a dialog", f"models/{MODEL}?version=1", _asked_why),
    Place("learn", "nothing learned", "learn", see("heading")),
    Place("learn", "pictures are gathered", "learn", _gathering),
    Place("health", "what to do", "health", _explained),
    Place("audit", "a shift", "audit", see("table")),
    Place("audit", "who changed what", "audit/changes", see("table")),
    Place("words", "all of them", "words", see("heading")),
    Place("inspection", "a rejected part", "inspection/{rejected}", see("table")),
    Place("inspection", "a box is drawn", "inspection/{rejected}", _marked),
    Place("inspection", "a view of a part", "inspection/{rejected}", _a_view),
    Place("inspection", "none of this number", "inspection/4711", see("heading")),
)

_ONE_OF_EACH = {place.page: place for place in PLACES}.values()

EVERY_PLACE = [
    pytest.param(place, id=place.title, marks=() if place in _ONE_OF_EACH else pytest.mark.slow)
    for place in PLACES
]
"""For a test's parameter: one state of each page with every change, the others by test-all."""
