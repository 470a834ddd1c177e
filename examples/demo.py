"""The demo: serve the shipped model, post real pictures to it, print what it says of each.

`takt demo` does the same with made-up pictures, where there is no copy of the project.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import click

from takt.commands.demo.asking import KnownPicture, inspect_all
from takt.commands.demo.serving import serving

HERE = Path(__file__).parent


def main() -> None:
    """Run the demo; exits 0 only if every picture was answered."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, default=HERE / "bank")
    parser.add_argument("--pictures", type=Path, default=HERE / "pictures")
    parser.add_argument("--model", default="pitting")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for overlays")
    given = parser.parse_args()

    found = sorted(given.pictures.glob("*/*.jpg"))
    if not found:
        sys.exit(f"there are no pictures <truth>/<name>.jpg below {given.pictures}")
    given.out.mkdir(parents=True, exist_ok=True)
    try:
        with serving(given.models, given.out) as server:
            pictures = [KnownPicture(path, path.parent.name) for path in found]
            inspect_all(server.url, given.model, pictures, given.out)
        print(f"overlays: {given.out}/")
    except click.ClickException as error:
        sys.exit(error.message)


if __name__ == "__main__":
    main()
