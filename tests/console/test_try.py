"""The page Try: pictures are dropped, answered, drawn, and looked at down to their pixels."""

from __future__ import annotations

import base64
import itertools
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow
from playwright.sync_api import Locator, Page, expect

from takt.core.pictures.decode import decode
from tests.console.conftest import BANK, PICTURES, Serve
from tests.workers import eventually

pytestmark = pytest.mark.browser

PITTED = PICTURES / "pitting/01_200907165410_277500_315_crop_2.jpg"
PASSED = sorted((PICTURES / "good").glob("*.jpg"))[0]
DROP = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name));
  const target = document.querySelector(".try");
  for (const kind of ["dragover", "drop"]) {
    target.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
  }
}"""
STEPPING = """() => {
  const keys = ["ArrowRight", "ArrowLeft"];
  const step = () => {
    keys.reverse();
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: keys[0], bubbles: true }));
  };
  setInterval(step, 0);
}"""
PIXELS = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const text = Array.from(data, (level) => String.fromCharCode(level)).join("");
  return [canvas.width, canvas.height, btoa(text)];
}"""


def drop(page: Page, name: str, data: bytes) -> None:
    expect(page.get_by_label("Model")).to_be_visible()
    page.evaluate(DROP, [name, base64.b64encode(data).decode()])


def choose(page: Page, *paths: Path) -> None:
    page.get_by_label("Drop pictures here, or choose files").set_input_files(list(paths))


def pane(page: Page, what: str) -> Locator:
    return page.get_by_role("application", name=re.compile(f"^{what} of "))


def pixels(canvas: Locator) -> NDArray[np.uint8]:
    """What is drawn: RGBA [height, width, 4], once all is there that the pane shows."""
    expect(canvas).to_have_attribute("data-whole", "")
    width, height, data = canvas.evaluate(PIXELS)
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)


def is_drawn(page: Page, what: str, shown: NDArray[np.uint8]) -> bool:
    """Whether a pane shows just this; it is drawn a frame or two after the page has changed."""
    return np.array_equal(pixels(pane(page, what)), shown)


def noise(path: Path, shape: tuple[int, ...] = (48, 64, 3), kind: Any = np.uint8) -> NDArray[Any]:
    """A picture of noise at a path, RGB; what it holds."""
    picture = np.random.default_rng(3).integers(0, np.iinfo(kind).max, shape, kind)
    assert cv2.imwrite(str(path), picture[..., ::-1])
    return picture


def value(page: Page, before: str = "") -> tuple[int, int, list[int], str]:
    """What the page says of the pixel under the cursor, once it says another thing than before.

    It is x, y, levels and the map's value.
    """
    said = page.locator(".picture-tools output")
    expect(said).not_to_have_text(before)
    expect(said).to_have_text(re.compile(r"^x \d+"))
    found = re.fullmatch(r"x (\d+), y (\d+): level ([\d ]+), map (\S+)", said.inner_text())
    assert found is not None, said.inner_text()
    x, y, levels, in_map = found.groups()
    return int(x), int(y), [int(level) for level in levels.split()], in_map


def verdict(page: Page) -> Locator:
    return page.locator(".verdict.large")


def test_a_picture_is_inspected_once_however_often_the_page_is_drawn_meanwhile(
    page: Page, serve: Serve
) -> None:
    asked: list[str] = []
    page.on("request", lambda one: "/inspect?" in one.url and asked.append(one.url))
    page.goto(f"{serve().url}/console/try")
    for number in range(2):
        drop(page, f"{number}.jpg", PASSED.read_bytes())
    page.evaluate(STEPPING)
    for number in range(2, 12):
        drop(page, f"{number}.jpg", PASSED.read_bytes())
    strip = page.get_by_role("list", name="Pictures")
    expect(strip.get_by_text("Good")).to_have_count(12)
    assert len(asked) == 12


def test_a_picture_is_judged_by_the_version_that_is_active_when_it_is_dropped(
    page: Page, serve: Serve, make_bundle, repository: Path, picture_bytes
) -> None:
    for number in "12":
        make_bundle(version=number)
    server = serve(repository)
    page.goto(f"{server.url}/console/try")
    expect(page.get_by_label("Model")).to_have_value("parts/2")
    httpx.post(f"{server.url}/v1/models/parts/versions/1/activate").raise_for_status()
    drop(page, "bright.png", picture_bytes(200))
    expect(page.get_by_label("Model")).to_have_value("parts/1")
    expect(verdict(page)).to_have_text("Defect")


def test_a_pitted_picture_that_is_dropped_is_a_defect_and_its_map_lies_on_it(
    page: Page, serve: Serve
) -> None:
    page.goto(f"{serve().url}/console/try")
    drop(page, "pitted.jpg", PITTED.read_bytes())
    expect(verdict(page)).to_have_text("Defect")
    expect(page.get_by_role("cell", name="100.0 %")).to_be_visible()
    plain, overlay = pixels(pane(page, "Picture")), pixels(pane(page, "Overlay"))
    assert plain.shape == overlay.shape
    # The strongest region is at (169, 132) and 43 × 24 pixels of 565 × 230 large.
    height, width, _ = plain.shape
    scale = min(width / 565, height / 230)
    left, top = (width - 565 * scale) / 2, (height - 230 * scale) / 2
    rows = slice(round(top + 136 * scale), round(top + 152 * scale))
    columns = slice(round(left + 175 * scale), round(left + 206 * scale))
    inside = np.abs(plain[rows, columns, :3].astype(int) - overlay[rows, columns, :3])
    assert inside.mean() > 20
    page.get_by_role("slider", name="Map").fill("0")
    region = page.get_by_role("row", name="169, 132").get_by_role("button")
    region.click()
    expect(region).to_have_attribute("aria-pressed", "true")
    eventually(
        lambda: np.array_equal(pixels(pane(page, "Overlay"))[rows, columns], plain[rows, columns])
    )


def test_the_value_under_the_pointer_is_the_picture_s_at_any_zoom(
    page: Page, serve: Serve, bundle, repository: Path, tmp_path: Path
) -> None:
    picture = noise(tmp_path / "noise.png")
    page.goto(f"{serve(repository).url}/console/try?show=overlay")
    choose(page, tmp_path / "noise.png")
    canvas = pane(page, "Overlay")
    pixels(canvas)
    said = page.locator(".picture-tools output")
    seen = set()
    for zoom in (0, -300, -300):
        page.mouse.wheel(0, zoom)
        for spot in ({"x": 410, "y": 200}, {"x": 600, "y": 333}):
            before = said.inner_text()
            canvas.hover(position=spot)  # type: ignore[arg-type]
            x, y, levels, _ = value(page, before)
            assert levels == picture[y, x].tolist()
            seen.add((x, y))
    assert len(seen) == 4  # what is under the pointer stays there when the wheel zooms
    canvas.focus()
    for key, right, down in (("ArrowRight", 1, 0), ("ArrowDown", 1, 1)):
        before = said.inner_text()
        page.keyboard.press(f"Shift+{key}")
        found = value(page, before)
        assert found[:3] == (x + right, y + down, picture[y + down, x + right].tolist())
    page.keyboard.press("Escape")
    expect(said).to_contain_text("Wheel")


def test_panes_move_in_step_and_0_shows_all_again(
    page: Page, serve: Serve, bundle, repository: Path, tmp_path: Path
) -> None:
    noise(tmp_path / "noise.png")
    page.goto(f"{serve(repository).url}/console/try")
    choose(page, tmp_path / "noise.png")
    before = {what: pixels(pane(page, what)) for what in ("Picture", "Heatmap", "Overlay")}
    pane(page, "Picture").focus()
    for keys, same in ((["+", "ArrowRight"], False), (["0"], True)):
        for key in keys:
            page.keyboard.press(key)
        eventually(
            lambda same=same: (
                {is_drawn(page, what, shown) for what, shown in before.items()} == {same}
            )
        )


def test_fingers_and_the_mouse_move_and_pinch_and_keys_reach_the_slider(
    new_page: Callable[..., Page], serve: Serve, bundle, repository: Path, tmp_path: Path
) -> None:
    page = new_page(has_touch=True)
    picture = noise(tmp_path / "noise.png")
    page.goto(f"{serve(repository).url}/console/try?show=overlay")
    choose(page, tmp_path / "noise.png")
    canvas = pane(page, "Overlay")
    whole = pixels(canvas)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    session = page.context.new_cdp_session(page)
    for kind, apart in (("touchStart", 40), ("touchMove", 60), ("touchMove", 80)):
        points = [{"x": middle["x"] + way * apart, "y": middle["y"], "id": way} for way in (-1, 1)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.mouse.move(middle["x"], middle["y"])
    x, y, levels, _ = value(page)
    assert levels == picture[y, x].tolist()
    eventually(lambda: not np.array_equal(pixels(canvas), whole))
    before = page.locator(".picture-tools output").inner_text()
    page.mouse.down()
    page.mouse.move(middle["x"] + 120, middle["y"] + 60, steps=4)
    page.mouse.up()
    # What was under the pointer went with it, and the picture is twice as large.
    expect(page.locator(".picture-tools output")).to_have_text(before)
    page.mouse.move(middle["x"], middle["y"])
    moved = value(page, before)
    scale = 2 * min(box["width"] / 64, box["height"] / 48)
    assert abs((x - moved[0]) - 120 / scale) <= 1 and abs((y - moved[1]) - 60 / scale) <= 1
    slider = page.get_by_role("slider", name="Map")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(slider).to_have_value("0.75")


def test_two_versions_are_compared_on_the_same_picture_and_the_address_remembers(
    page: Page, serve: Serve, make_bundle, repository: Path, picture_bytes
) -> None:
    make_bundle()
    make_bundle(version="2", scale=0.5, trained=0.5)
    page.goto(f"{serve(repository).url}/console/try")
    page.get_by_label("Model").select_option("parts/1")
    page.get_by_label("Compare with").select_option("parts/2")
    drop(page, "bright.png", picture_bytes(200))
    expect(page.get_by_text("The two verdicts differ.")).to_be_visible()
    facts = page.get_by_role("row")
    expect(facts.filter(has_text=re.compile("^Verdict[^ ]"))).to_have_text("VerdictDefectGood")
    expect(facts.filter(has_text=re.compile("^Score0"))).to_have_text("Score0.7840.392")
    difference = pixels(pane(page, "Difference"))
    page.get_by_role("button", name="Difference").click()
    expect(pane(page, "Overlay")).to_have_count(0)
    eventually(lambda: pixels(pane(page, "Difference")).size > difference.size)
    page.reload()
    expect(page.get_by_label("Compare with")).to_have_value("parts/2")
    assert "show=difference" in page.url


def test_a_broken_file_is_told_beside_it_and_the_others_are_answered(
    page: Page, serve: Serve, bundle, repository: Path, picture_bytes
) -> None:
    page.goto(f"{serve(repository).url}/console/try")
    drop(page, "broken.png", picture_bytes(50)[:60])
    drop(page, "good.png", picture_bytes(50))
    strip = page.get_by_role("list", name="Pictures").get_by_role("button")
    expect(strip).to_have_text(["broken.pngFailed", "good.pngGood"])
    expect(verdict(page)).to_have_text("Good")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("alert")).to_contain_text("cut short")
    page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", level=2)).to_have_text("good.png")


def level(page: Page, what: str, x: int, y: int, size: tuple[int, int]) -> list[int]:
    """What the page says of a pixel of a picture of (width, height)."""
    canvas = pane(page, what)
    drawn_height, drawn_width, _ = pixels(canvas).shape
    scale = min(drawn_width / size[0], drawn_height / size[1])
    spot = {"x": drawn_width / 2 + (x - size[0] / 2 + 0.5) * scale}
    page.mouse.move(1, 1)
    canvas.hover(position=spot | {"y": drawn_height / 2 + (y - size[1] / 2 + 0.5) * scale})  # type: ignore[arg-type]
    expect(page.locator(".picture-tools output")).to_contain_text(f"x {x}, y {y}:")
    return value(page)[2]


def test_what_was_dropped_while_the_server_was_away_is_answered_once_its_model_has_loaded(
    page: Page, serve: Serve
) -> None:
    server = serve()
    page.goto(f"{server.url}/console/try")
    expect(page.get_by_label("Model")).to_have_value("pitting/1")
    server.process.kill()
    server.process.wait()
    drop(page, "pitted.jpg", PITTED.read_bytes())
    strip = page.get_by_role("list", name="Pictures").get_by_role("button")
    expect(strip).to_have_text("pitted.jpgFailed")
    serve(BANK, "--port", server.url.rpartition(":")[2])
    expect(strip).to_have_text("pitted.jpgDefect", timeout=20_000)
    expect(verdict(page)).to_have_text("Defect")


def test_files_that_a_browser_shows_otherwise_are_shown_as_the_service_sees_them(
    page: Page, serve: Serve, bundle, repository: Path, tmp_path: Path
) -> None:
    paths = [tmp_path / "deep.png", tmp_path / "plain.tiff"]
    noise(paths[0], kind=np.uint16)
    noise(paths[1])
    page.goto(f"{serve(repository).url}/console/try?show=picture")
    choose(page, *paths)
    for path in paths:
        expect(page.get_by_role("heading", level=2)).to_have_text(path.name)
        expect(page.get_by_text("this is the service's own rendering")).to_be_visible()
        wanted = decode(path.read_bytes(), 10**6)[11, 50].tolist()
        assert level(page, "Picture", 50, 11, (64, 48)) == wanted
        page.keyboard.press("ArrowRight")


def test_pictures_that_their_files_say_to_turn_stand_as_the_service_sees_them(
    page: Page, serve: Serve, bundle, repository: Path, tmp_path: Path
) -> None:
    corner = np.zeros((48, 64, 3), np.uint8)
    corner[:12, :16] = 255
    paths = []
    for orientation, kind in itertools.product((3, 6), ("JPEG", "PNG", "WEBP")):
        exif = Pillow.Exif()
        exif[274] = orientation
        paths.append(tmp_path / f"turned-{orientation}.{kind.lower()}")
        Pillow.fromarray(corner).save(paths[-1], kind, exif=exif, quality=95)
    page.goto(f"{serve(repository).url}/console/try?show=picture")
    choose(page, *paths)
    for path in paths:
        expect(page.get_by_role("heading", level=2)).to_have_text(path.name)
        seen = decode(path.read_bytes(), 10**6)
        height, width, _ = seen.shape
        for y, x in np.argwhere(seen[..., 0] > 200)[::90]:
            assert min(level(page, "Picture", x, y, (width, height))) > 200, path.name
        page.keyboard.press("ArrowRight")


def test_names_of_files_are_text_and_nothing_else(
    page: Page, serve: Serve, bundle, repository: Path, picture_bytes
) -> None:
    name = "<img src=x onerror=alert(1)>.png"
    page.on("dialog", lambda _: pytest.fail("a name was run"))
    server = serve(repository, record=True)
    page.goto(f"{server.url}/console/try")
    drop(page, name, picture_bytes(200))
    expect(page.get_by_role("heading", level=2)).to_have_text(name)
    expect(verdict(page)).to_have_text("Defect")
    page.get_by_text("The same by curl and Python").click()
    expect(page.locator("pre").first).to_contain_text(name)
    assert page.locator("img[src=x]").count() == 0


def test_a_slider_tells_where_the_verdict_of_a_good_part_would_turn(
    page: Page, serve: Serve
) -> None:
    page.goto(f"{serve().url}/console/try?show=overlay")
    choose(page, PASSED)
    gauge = page.get_by_label("Distance from the threshold")
    said = re.compile(r"with a threshold below (\d+) % this part would be rejected")
    expect(gauge).to_contain_text(said)
    found = said.search(gauge.inner_text())
    assert found is not None
    turns = int(found.group(1))
    assert 0 < turns < 100
    before = pixels(pane(page, "Overlay"))
    slider = page.get_by_role("slider", name="Try another threshold")
    slider.fill(f"{(turns - 2) / 100}")
    expect(gauge).to_contain_text("it would be rejected")
    eventually(lambda: not is_drawn(page, "Overlay", before))
    slider.fill(f"{(turns + 2) / 100}")
    expect(gauge).to_contain_text("it would pass")
    page.get_by_role("button", name="Back to the threshold").click()
    expect(gauge).to_contain_text(said)
    eventually(lambda: is_drawn(page, "Overlay", before))


def test_what_is_dropped_without_a_file_leaves_the_picture_that_is_shown(
    page: Page, serve: Serve
) -> None:
    page.goto(f"{serve().url}/console/try")
    choose(page, PASSED)
    expect(page.get_by_role("heading", level=2)).to_have_text(PASSED.name)
    page.evaluate(
        """() => {
          const dataTransfer = new DataTransfer();
          dataTransfer.setData("text/plain", "a marked line");
          const dropped = { dataTransfer, bubbles: true, cancelable: true };
          document.querySelector(".try").dispatchEvent(new DragEvent("drop", dropped));
        }"""
    )
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", level=2)).to_have_text(PASSED.name)
    expect(page.get_by_label("Distance from the threshold")).to_be_visible()


def test_the_gauge_of_a_picture_stays_by_the_thresholds_that_it_was_asked_at(
    page: Page, serve: Serve, tmp_path: Path
) -> None:
    server = serve(shutil.copytree(BANK, tmp_path / "bank"))
    page.goto(f"{server.url}/console/try")
    choose(page, PASSED)
    gauge = page.get_by_label("Distance from the threshold")
    said = re.compile(r"with a threshold below \d+ % this part would be rejected")
    expect(gauge).to_contain_text(said)
    before = gauge.inner_text()
    own = httpx.get(f"{server.url}/v1/models/pitting").json()["versions"][0]
    low, pixel = own["map_low"], own["thresholds"]["pixel"]
    changed = httpx.put(
        f"{server.url}/v1/models/pitting/threshold", json={"pixel": low + (pixel - low) / 50}
    )
    assert changed.status_code == 200
    page.locator("input[type=file]").set_input_files([PITTED])
    expect(page.get_by_role("heading", level=2)).to_have_text(PITTED.name)
    expect(gauge).to_contain_text("this part would pass")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("heading", level=2)).to_have_text(PASSED.name)
    expect(gauge).to_contain_text(said)
    assert gauge.inner_text() == before


def test_the_curl_line_asks_the_same(
    page: Page, serve: Serve, bundle, repository: Path, tmp_path: Path, picture_bytes
) -> None:
    name = "it's $(one).png"
    (tmp_path / name).write_bytes(picture_bytes(200))
    page.goto(f"{serve(repository).url}/console/try")
    choose(page, tmp_path / name)
    page.get_by_text("The same by curl and Python").click()
    curl, python = page.locator("pre").all_inner_texts()
    answer = subprocess.run(curl, shell=True, cwd=tmp_path, capture_output=True, check=True)
    assert b'"anomalous":true' in answer.stdout
    compile(python, "shown", "exec")
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
