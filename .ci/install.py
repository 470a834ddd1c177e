"""Installs projects of this folder, and packages, into the environment of this Python.

uv does in half a minute what takes pip five. pip brings uv, and torch with what is built against
it, as it knows the index that was named for its CPU builds; uv keeps what is there.

    .venv/bin/python .ci/install.py './service[cpu]' './export[train]' ./models --group docs
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}
"""What pip is told, by files or the environment, and how uv is told the same."""

BY_PIP = ("torch", "timm")
"""timm brings torchvision, which has to be of torch's own index."""


def as_uv_is_told(listed: str) -> dict[str, str]:
    """What `pip config list` prints, as variables for uv.

    >>> as_uv_is_told("global.index-url='https://pypi.example/simple'")
    {'UV_DEFAULT_INDEX': 'https://pypi.example/simple'}
    """
    told = {}
    # The environment comes first in the list, and holds before files.
    for name, value in reversed(re.findall(r"^\S+\.([\w-]+)='(.*)'$", listed, re.MULTILINE)):
        if name in UV_NAMES:
            words = re.split(r"\\n|\s+", value.strip())
            told[UV_NAMES[name]] = ("," if name == "find-links" else " ").join(filter(None, words))
    if "UV_INDEX" in told:  # as pip does, which has no order of indexes
        told["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return told


def main() -> int:
    """Install what the command line names."""
    models = tomllib.loads(Path("models/pyproject.toml").read_text("utf-8"))["project"]
    first = [one for one in models["dependencies"] if re.split(r"[^\w-]", one)[0] in BY_PIP]
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "install", "--quiet", "--no-compile", "uv>=0.9", *first], check=True)
    listed = subprocess.run(
        [*pip, "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet"]
    wanted = [
        word for one in sys.argv[1:]
        for word in (("--editable", one) if one.startswith(".") else (one,))
    ]  # fmt: skip
    environment = as_uv_is_told(listed) | os.environ
    return subprocess.run(
        [*uv, "--python", sys.executable, *wanted], env=environment, check=False
    ).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
