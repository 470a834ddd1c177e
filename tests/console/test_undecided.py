"""No decision: switched on by a person, and told in an operator's words where a verdict stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.api.keys import bearer
from tests.console.conftest import Serve
from tests.console.test_inspection import inspected
from tests.console.test_models import audited, confirm, open_model, serve_ready
from tests.good_parts import good_part, with_good_facts

pytestmark = pytest.mark.browser


def test_no_decision_is_switched_on_for_a_model_and_said_of_a_black_picture(
    page: Page, serve: Serve, make_bundle: Any, repository: Path, picture_bytes: Any
) -> None:
    with_good_facts(make_bundle())
    server = serve_ready(serve, repository)
    open_model(page, server)
    card = page.locator("section", has_text="Pictures that cannot be judged")
    expect(card).to_contain_text("Every picture is judged")
    page.get_by_role("button", name="Make no decision on such pictures").click()
    confirm(page, "the lamp failed")
    expect(card).to_contain_text("It counts as rejected")
    (entry,) = audited(server)
    assert (entry["action"], entry["reason"]) == ("threshold_changed", "the lamp failed")
    assert (entry["old"]["undecided"], entry["new"]["undecided"]) == (False, True)

    black, _ = inspected(server, picture_bytes(1), good_part(99))
    page.goto(f"{server.url}/console/inspection/{black}")
    expect(page.locator(".verdict.large")).to_have_text("No decision")
    expect(page.locator(".inspection-why")).to_have_text(
        re.compile(r"^No decision, so it counts as rejected: .+ is the limit of this model's good")
    )
    expect(page.get_by_role("slider", name="Try another threshold")).to_have_count(0)

    page.goto(f"{server.url}/console/review?kept=all&verdict=undecided")
    expect(page.locator(".tile")).to_have_count(1)
    expect(page.locator(".tile")).to_contain_text("No decision")


def test_a_part_that_lies_elsewhere_is_told_in_the_units_of_its_place(
    page: Page, serve: Serve, make_bundle: Any, repository: Path, picture_bytes: Any
) -> None:
    with_good_facts(make_bundle())
    server = serve_ready(serve, repository)
    open_model(page, server)
    inspection, _ = inspected(server, picture_bytes(1), good_part(99))
    reason = {"fact": "turn", "value": 7.3, "low": -5.2, "high": 5.4, "text": "turned"}

    def undecided(route: Route) -> None:
        answer = route.fetch().json()
        route.fulfill(json=answer | {"verdict": "undecided", "undecided": reason})

    page.route(f"**/v1/inspections/{inspection}", undecided)
    page.goto(f"{server.url}/console/inspection/{inspection}")
    expect(page.locator(".inspection-why")).to_contain_text(
        "the part is turned too far against the clock (7.30°, and 5.40° is the limit"
    )


def test_the_switch_does_what_its_dialog_says_although_somebody_else_has_switched_meanwhile(
    page: Page, serve: Serve, make_bundle: Any, repository: Path
) -> None:
    with_good_facts(make_bundle())
    server = serve_ready(serve, repository)
    open_model(page, server)
    page.get_by_role("button", name="Make no decision on such pictures").click()
    httpx.put(
        f"{server.url}/v1/models/parts/threshold",
        json={"undecided": True},
        headers=bearer("leader"),
    ).raise_for_status()
    card = page.locator("section", has_text="Pictures that cannot be judged")
    expect(card).to_contain_text("It counts as rejected")
    confirm(page, "the lamp failed")
    assert audited(server)[0]["new"]["undecided"] is True


def test_a_model_that_does_not_know_its_good_pictures_says_what_to_do(
    page: Page, serve: Serve, make_bundle: Any, repository: Path
) -> None:
    make_bundle()
    server = serve_ready(serve, repository)
    open_model(page, server)
    expect(page.get_by_text("This version does not know")).to_be_visible()
    expect(page.get_by_role("button", name="Make no decision")).to_have_count(0)
