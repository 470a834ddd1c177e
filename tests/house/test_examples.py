"""The examples in docstrings run."""

from __future__ import annotations

import ast
import doctest
import importlib

import pytest

from tests.tree import SOURCES

MAIN_CLASSES = (
    "takt.core.batching.batcher.Batcher",
    "takt.core.bundles.bundle.Bundle",
    "takt.core.engines.onnxruntime.OnnxRuntimeEngine",
    "takt.core.inspection.pipeline.Pipeline",
    "takt.repository.repository.ModelRepository",
    "takt.settings.Settings",
    "takt_models.efficientad.detector.EfficientAd",
    "takt_models.inpformer.detector.InpFormer",
)
"""What a reader meets first in each room."""


def modules_with_examples() -> list[str]:
    return [
        ".".join(path.relative_to(root).with_suffix("").parts)
        for package, root in SOURCES.items()
        for path in sorted((root / package).rglob("*.py"))
        if path.name != "__init__.py" and ">>> " in path.read_text("utf-8")
    ]


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_run(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))

    assert tried
    assert not failed


@pytest.mark.parametrize("name", MAIN_CLASSES)
def test_a_main_class_has_an_example(name: str) -> None:
    module, _, wanted = name.rpartition(".")
    path = SOURCES[module.partition(".")[0]].joinpath(*module.split(".")).with_suffix(".py")
    (node,) = [
        node
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == wanted
    ]

    assert ">>> " in (ast.get_docstring(node) or "")
