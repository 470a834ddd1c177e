"""Every distribution: what is imported, what it brings, and how large it is."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import tomllib
import zlib
from collections.abc import Iterator
from pathlib import Path

from docs._reference.markdown import prose, table

_ROOT = Path(__file__).parents[2]
_HEAD = ("distribution", "what is imported", "what it is", "lines of code", "wheel", "packages")
_HEADERS_BYTES = 250
"""Of a file in a wheel: its two headers in the archive, and its line in the list of files."""

_NOT_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def distributions() -> str:
    """A row for each: lines are rounded to thousands, and bytes to tenths of a MB."""
    workspace = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["uv"]
    return table(_HEAD, (_row(_ROOT / one) for one in workspace["workspace"]["members"]))


def _row(folder: Path) -> tuple[str, ...]:
    declared = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    project = declared["project"]
    (where,) = declared["tool"]["setuptools"]["packages"]["find"].get("where", ["."])
    (package,) = (one for one in (folder / where).glob("takt*") if (one / "__init__.py").exists())
    files = [one for one in package.rglob("*") if one.is_file() and "__pycache__" not in one.parts]
    lines = sum(_code_lines(one.read_text("utf-8")) for one in files if one.suffix == ".py")
    size = sum(_HEADERS_BYTES + len(zlib.compress(one.read_bytes(), 6)) for one in files)
    needed = [re.split(r"[^\w-]", one)[0] for one in project["dependencies"]]
    return (
        f"`{project['name']}`",
        f"`{package.name}`",
        prose(project["description"]),
        f"{lines / 1000:.0f},000",
        f"{size / 1e6:.1f} MB",
        ", ".join(f"`{one}`" for one in needed),
    )


def _code_lines(text: str) -> int:
    """Lines that hold code: neither docstrings nor comments nor nothing."""
    documented = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    return len(set(_lines_of_tokens(text)) - documented)


def _lines_of_tokens(text: str) -> Iterator[int]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NOT_CODE:
            yield from range(token.start[0], token.end[0] + 1)
