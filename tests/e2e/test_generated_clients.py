"""Clients that others' generators make of the OpenAPI document."""

from __future__ import annotations

import importlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.api.document.snapshot import OPENAPI
from tests.api.keys import KEYS, bearer
from tests.hostile.bundle import MODEL, SCORE, spotted_picture, write_bundle

pytestmark = pytest.mark.slow

_OF_PICTURES = ("image/*", "image/jpeg")
CONFIG = "content_type_overrides:\n" + "".join(
    f"  {kind}: application/octet-stream\n" for kind in _OF_PICTURES
)
CLIENT = "client_of_a_generator"


def run(*command: str | Path) -> str:
    """What a generator printed; it must end well."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        list(map(str, command)),
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    return printed


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The client that `openapi-python-client` makes as the guide says."""
    folder = tmp_path_factory.mktemp("generated")
    assert repr(CONFIG) in (OPENAPI.parent / "api.md").read_text("utf-8")
    (folder / "config.yml").write_text(CONFIG)
    printed = run(
        *(sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
        *("--path", OPENAPI, "--config", folder / "config.yml", "--meta", "none"),
        *("--output-path", folder / CLIENT),
    )
    assert "warning" not in printed.lower()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield importlib.import_module(CLIENT)


def test_a_generated_client_has_a_name_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text(CONFIG)
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(OPENAPI)]
    command += ["--config", "config.yml", "--meta", "none"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=300)
    (package,) = (path.name for path in tmp_path.iterdir() if path.is_dir())
    # Not that of Takt's own client, which both would be imported as.
    assert package == "takt_api_client"


def part(made: ModuleType, name: str) -> ModuleType:
    return importlib.import_module(f"{made.__name__}.{name}")


@pytest.fixture(scope="module")
def url(start_server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    write_bundle(folder / "models")
    (folder / "keys").write_text(KEYS)
    (folder / "keys").chmod(0o600)
    with start_server(folder / "models", "--keys-file", str(folder / "keys")) as server:
        yield server.url


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "part.png"
    path.write_bytes(spotted_picture())
    return path


@contextmanager
def caller(made: ModuleType, url: str, name: str = "") -> Iterator[Any]:
    """The generated client with the key of this name; with none that is known without one."""
    token = bearer(name)["authorization"].removeprefix("Bearer ") if name else "none"
    with made.AuthenticatedClient(base_url=url, token=token) as client:
        yield client


def test_a_generated_client_inspects_a_picture_from_a_file(made, url, picture) -> None:
    inspect = part(made, "api.inspection.inspect_picture")
    models, types = part(made, "models"), part(made, "types")
    with (
        picture.open("rb") as raw,
        picture.open("rb") as part_of_form,
        caller(made, url, "camera") as client,
    ):
        body = types.File(payload=raw)
        overlay = models.InspectPictureHeatmap.OVERLAY
        found = inspect.sync(MODEL, client=client, body=body, heatmap=overlay)
        image = types.File(payload=part_of_form, file_name="part.png")
        form = models.PictureForm(image=image)
        same = inspect.sync(MODEL, client=client, body=form)

    assert isinstance(found, models.InspectionOut)
    assert found.score == pytest.approx(SCORE, abs=1e-3)
    assert found.anomalous is True
    assert (found.image.width, found.image.height) == (64, 48)
    assert found.heatmap.kind == "overlay"
    assert same.score == found.score


def test_a_generated_client_reads_a_problem_with_its_code(made, url) -> None:
    inspect = part(made, "api.inspection.inspect_picture")
    get_model = part(made, "api.models.get_model")
    models, types = part(made, "models"), part(made, "types")
    nothing = types.File(payload=io.BytesIO())
    with (
        caller(made, url, "camera") as camera,
        caller(made, url, "scraper") as scraper,
        caller(made, url) as stranger,
    ):
        answers = {
            "invalid_image": inspect.sync_detailed(MODEL, client=camera, body=nothing),
            "model_not_found": get_model.sync_detailed("nut", client=scraper),
            "insufficient_scope": get_model.sync_detailed(MODEL, client=camera),
            "unauthenticated": get_model.sync_detailed(MODEL, client=stranger),
        }

    for code, answer in answers.items():
        assert isinstance(answer.parsed, models.ProblemOut)
        assert answer.parsed.code == code
        assert answer.parsed.status == answer.status_code
        assert answer.parsed.detail


def test_a_generated_client_lists_the_models(made, url) -> None:
    list_models = part(made, "api.models.list_models")
    with caller(made, url, "scraper") as client:
        found = list_models.sync(client=client)

    (model,) = found.models
    assert (model.name, model.active) == (MODEL, "1")
    (version,) = model.versions
    assert version.state == "ready"
    assert version.thresholds.origin.image.source == "bundle"


def test_a_generated_client_speaks_the_open_inference_protocol(made, url) -> None:
    infer = part(made, "api.oip.oip_infer")
    models = part(made, "models")
    pixels = [200] * (2 * 2 * 3)
    tensor = models.InputTensor(
        name=models.InputTensorName.PIXELS,
        shape=[1, 2, 2, 3],
        datatype=models.InputTensorDatatype.UINT8,
        data=pixels,
    )
    with caller(made, url, "camera") as client:
        found = infer.sync(MODEL, client=client, body=models.InferIn(inputs=[tensor]))

    score = next(one for one in found.outputs if one.name == "score")
    assert score.data == [pytest.approx(SCORE, abs=1e-3)]


@pytest.fixture
def generator() -> list[str]:
    if shutil.which("java") is None:
        pytest.skip("openapi-generator needs Java: apt-get install default-jre-headless")
    return [sys.executable, "-c", "from openapi_generator_cli import cli; cli()"]


def test_openapi_generator_makes_a_client_for_typescript(generator, tmp_path: Path) -> None:
    printed = run(
        *(*generator, "generate", "-g", "typescript-fetch", "-i", OPENAPI, "-o", tmp_path),
        *("--global-property", "skipFormModel=false"),
    )

    assert " ERROR " not in printed
    source = (tmp_path / "apis/InspectionApi.ts").read_text("utf-8")
    assert "async inspectPicture(" in source
    for path in tmp_path.rglob("*.ts"):
        for name in re.findall(r"from '(\.[^']*)'", path.read_text("utf-8")):
            found = (path.parent / name).resolve()
            assert found.with_suffix(".ts").is_file() or (found / "index.ts").is_file(), (
                path,
                name,
            )


def test_openapi_generator_makes_a_client_for_java(generator, tmp_path: Path) -> None:
    printed = run(*generator, "generate", "-g", "java", "-i", OPENAPI, "-o", tmp_path)

    assert " ERROR " not in printed
    (source,) = tmp_path.rglob("InspectionApi.java")
    assert "InspectionOut inspectPicture(" in source.read_text("utf-8")
