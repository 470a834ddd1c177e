"""`takt bench` against a small server of this very process."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from takt.cli import main
from takt.commands.bench.figures import Window, figures_of
from takt.commands.bench.plot import save_plot
from takt.commands.bench.report import Setup
from takt.commands.bench.samples import RequestOutcome, Samples

TAKT = Path(sys.executable).with_name("takt")


@pytest.fixture
def pictures(tmp_path: Path, picture_bytes) -> Path:
    folder = tmp_path / "pictures"
    (folder / "good").mkdir(parents=True)
    (folder / "good" / "1.png").write_bytes(picture_bytes(50))
    (folder / "2.JPG").write_bytes(picture_bytes(90, ".jpg"))
    (folder / "notes.txt").write_text("no picture")
    (folder / "old.png").mkdir()
    return folder


def bench(url: str, pictures: Path, *options: str) -> Result:
    command = ["bench", url, "--images", str(pictures), "--warmup", "0", *options]
    return CliRunner().invoke(main, command)


def test_a_closed_loop_over_rest_is_told_on_the_terminal_and_as_json(
    server, pictures, tmp_path
) -> None:
    told = tmp_path / "run.json"
    result = bench(
        server,
        pictures,
        *("--requests", "40", "--concurrency", "3", "--query", "heatmap=map", "--verdicts"),
        *("--json", str(told), "--deadline-ms", "60000"),
    )
    assert result.exit_code == 0, result.output
    assert "parts at http://127.0.0.1" in result.output
    assert "closed loop, 3 under way" in result.output
    assert "anomalous 40 of 40" in result.output
    document = json.loads(told.read_bytes())
    figures = document["figures"]
    assert figures["requests"] == figures["answered"] == 40
    assert figures["good_share"] == 1.0
    assert figures["outcomes"] == [{"status": 200, "code": "ok", "count": 40}]
    assert figures["latency_ms"]["count"] == 40
    assert figures["latency_ms"]["p50"] <= figures["latency_ms"]["max"]
    assert document["setup"]["pictures"] == 2


def test_so_few_requests_that_the_warm_up_has_them_all_count(server, pictures) -> None:
    options = ["--warmup", "60", "--requests", "5", "--query", "heatmap=map"]
    result = bench(server, pictures, *options)
    assert result.exit_code == 0, result.output
    assert "5 requests in" in result.output


@pytest.mark.parametrize("protocol", ["rest", "stream"])
def test_a_key_is_shown_with_each_request_and_never_told(
    server, pictures, tmp_path, protocol
) -> None:
    file, told = tmp_path / "key", tmp_path / "run.json"
    file.write_text("tk_secret\n")
    options = ["--protocol", protocol, "--requests", "4", "--json", str(told)]
    if protocol == "rest":
        options += ["--query", "heatmap=map"]
    result = bench(f"{server}/keyed", pictures, *options, "--key-file", str(file))
    assert result.exit_code == 0, result.output
    assert "tk_secret" not in result.output + told.read_text()
    assert json.loads(told.read_bytes())["figures"]["answered"] == 4


def test_a_key_that_may_not_list_models_needs_one_named(server, pictures) -> None:
    for model, code in (([], 1), (["--model", "parts"], 0)):
        url, options = f"{server}/keyed/for-pictures", ["--requests", "4", "--key", "tk_secret"]
        result = bench(url, pictures, *options, "--query", "heatmap=map", *model)
        assert result.exit_code == code, result.output
        assert ("it lacks read; or name the model with --model" in result.output) is (code == 1)


@pytest.mark.parametrize("model", [[], ["--model", "parts", "--protocol", "stream"]])
def test_a_missing_or_wrong_key_ends_it_with_the_servers_words(server, pictures, model) -> None:
    for key in ([], ["--key", "tk_other"]):
        result = bench(f"{server}/keyed", pictures, "--requests", "4", *model, *key)
        assert result.exit_code == 1
        assert "show a key; give it with --key-file FILE or in TAKT_KEY" in result.output
        assert "tk_other" not in result.output


def test_an_open_loop_over_rest_sends_each_arrival(server, pictures) -> None:
    result = bench(
        server,
        pictures,
        *("--arrivals", "burst:5@20ms", "--duration", "0.1"),
        "--query=heatmap=map",
    )
    assert result.exit_code == 0, result.output
    assert "25 requests" in result.output
    assert "open loop, 250/s bursts" in result.output


def test_frames_of_several_streams_are_all_answered(server, pictures, tmp_path) -> None:
    told = tmp_path / "run.json"
    result = bench(
        server,
        pictures,
        *("--protocol", "stream", "--connections", "2", "--raw"),
        *("--requests", "30", "--json", str(told)),
    )
    assert result.exit_code == 0, result.output
    assert "closed loop, 8 under way on 2 streams" in result.output
    stream = json.loads(told.read_bytes())["figures"]["stream"]
    assert stream["age_ms"]["p99"] == 2.0
    assert (stream["order_violations"], stream["lost_frames"]) == (0, 0)


def test_a_server_that_refuses_everything_fails_the_run_but_has_its_figures(
    server, pictures
) -> None:
    result = bench(server, pictures, "--model", "busy", "--requests", "10")
    assert result.exit_code == 1
    assert "429 queue_full" in result.output
    assert "refusal" in result.output


@pytest.mark.parametrize("loop", [[], ["--rate", "50"]])
@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("nope", "Error: there is no model 'nope'; this server has parts, busy"),
        ("small", "2.JPG: the picture has too many bytes"),
        ("parts", "2.JPG: the picture is cut short"),
    ],
)
def test_a_refusal_that_cannot_get_better_ends_it_at_the_first(
    server, pictures, loop, model, said
) -> None:
    result = bench(server, pictures, "--model", model, "--duration", "3", *loop)
    assert result.exit_code == 1
    assert said in result.output
    assert "requests in" not in result.output
    assert len(result.output.splitlines()) == 1


def test_a_refusal_in_the_middle_comes_after_the_figures_so_far(server, pictures) -> None:
    options = ["--model", "ending", "--duration", "600", "--concurrency", "1"]
    result = bench(server, pictures, *options)
    assert result.exit_code == 1
    assert "3 requests in" in result.stdout
    assert result.stderr.startswith("Error: show a key; give it with")


@pytest.mark.parametrize("loop", [[], ["--rate", "50"]])
def test_a_server_that_is_not_there_is_one_line_where_the_model_is_named(pictures, loop) -> None:
    result = bench("http://127.0.0.1:1", pictures, "--model", "parts", "--duration", "3", *loop)
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "Error: no answer from http://127.0.0.1:1: nothing listens there (connection refused); "
        "is the server running there?"
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--policy", "latest"], "--protocol stream"),
        (["--rate", "5", "--concurrency", "2"], "closed loop"),
        (["--arrivals", "fixed"], "need a --rate"),
        (["--query", "heatmap"], "heatmap=overlay"),
        (["--plot", "run.gif"], ".svg"),
        (["--json", "not/there/run.json"], "not/there/run.json cannot be written"),
        (["--plot", "not/there/run.svg"], "not/there/run.svg cannot be written"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_sent(
    pictures, options, said
) -> None:
    result = bench("http://127.0.0.1:1", pictures, *options)
    assert result.exit_code != 0
    assert said in result.output


def test_a_folder_without_pictures_is_said(tmp_path) -> None:
    result = bench("http://127.0.0.1:1", tmp_path)
    assert result.exit_code == 1
    assert "no pictures" in result.output


def test_no_server_is_said_at_once(pictures) -> None:
    result = bench("http://127.0.0.1:1", pictures)
    assert result.exit_code == 1
    assert "is the server running there" in result.output


def test_a_run_is_plotted(tmp_path) -> None:
    samples = Samples()
    for number, status in enumerate([200, 200, 200, 429]):
        samples.add(0.0, number, number, RequestOutcome(number + 0.1, status, "any"))
    figures = figures_of(samples.columns(), Window(0.0, 4.0))
    setup = Setup("http://x", "parts", "rest", "closed loop", 1, "2026-01-01T00:00:00+00:00")
    path = tmp_path / "run.svg"
    save_plot(path, setup, figures, np.array([100.0, 100.0, 100.0]))
    drawn = path.read_text()
    assert drawn.startswith("<?xml")
    assert len(drawn) > 5000


def test_a_run_in_which_nothing_was_answered_is_plotted_too(tmp_path) -> None:
    figures = figures_of(Samples().columns(), Window(0.0, 4.0))
    setup = Setup("http://x", "parts", "rest", "closed loop", 1, "2026-01-01T00:00:00+00:00")
    save_plot(tmp_path / "run.png", setup, figures, np.zeros(0))
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")


def test_ctrl_c_ends_with_the_figures_so_far(server, pictures, tmp_path) -> None:
    told = tmp_path / "run.json"
    command = [str(TAKT), "bench", server, "--images", str(pictures), "--query", "heatmap=map"]
    command += ["--duration", "600", "--warmup", "0", "--requests", "100000000"]
    command += ["--json", str(told)]
    reading, writing = os.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=writing, text=True) as process:
        os.close(writing)
        shown = b""
        while b"answers/s" not in shown:  # the progress line: it is under way
            shown += os.read(reading, 1000)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    os.close(reading)
    assert process.returncode == 0, output
    assert "interrupted" in output
    figures = json.loads(told.read_bytes())["figures"]
    assert figures["interrupted"]
    assert figures["answered"] > 0
    assert figures["window_s"] < 600
