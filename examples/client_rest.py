"""Ask a running server about pictures, one after another.

    make serve                                            # in another terminal
    python examples/client_rest.py examples/pictures/*/*.jpg

Needs the client: `pip install ./clients/python`. A server with API keys takes the one in TAKT_KEY.

Exit codes: 0 every part is good, 1 at least one is anomalous or undecided, 2 not every picture was
answered.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from takt_client import Inspected, RetryPolicy, TaktClient, TaktError
from takt_client.errors import ImageTooLargeError, InvalidImageError, PictureFileError

GOOD, ANOMALOUS, FAILED = range(3)
OF_ONE_PICTURE = (ImageTooLargeError, InvalidImageError, PictureFileError)
"""Errors after which the next picture may well be answered."""


def main(arguments: list[str] | None = None) -> int:
    """Print a line for each picture; returns the exit code."""
    parser = argparse.ArgumentParser(description="Ask a running Takt server about pictures.")
    parser.add_argument("pictures", nargs="+", metavar="PICTURE")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the server; %(default)s")
    parser.add_argument("--model", help="its name; else the server's first, which takes a key "
                        "with the scope read")  # fmt: skip
    parser.add_argument("--overlays", type=Path, help="folder for heatmaps of anomalous parts")
    parser.add_argument("--wait", type=float, default=10.0, metavar="SECONDS",
                        help="for a busy or missing server; %(default)s")  # fmt: skip
    parser.add_argument("--cafile", help="PEM file of the authority that signed its certificate")
    given = parser.parse_args(arguments)
    try:
        if given.overlays:
            given.overlays.mkdir(parents=True, exist_ok=True)
        retry = RetryPolicy(deadline_s=given.wait)
        with TaktClient(given.url, cafile=given.cafile, retry=retry) as client:
            return inspect(client, given.model, given.pictures, given.overlays)
    except TaktError as error:
        print(f"{error.title}: {error}", file=sys.stderr)
    except OSError as error:
        print(f"the overlay cannot be written: {error}", file=sys.stderr)
    return FAILED


def inspect(
    client: TaktClient, model: str | None, pictures: list[str], overlays: Path | None
) -> int:
    """Inspect the pictures; returns the exit code."""
    if model is None:
        models = client.models()
        if not models:
            print("the server has no model", file=sys.stderr)
            return FAILED
        model = models[0].name
    code = GOOD
    named: Counter[str] = Counter()
    for picture in pictures:
        try:
            answer = client.inspect(model, picture, heatmap="overlay" if overlays else "none")
        except OF_ONE_PICTURE as error:
            print(f"{picture}: {error.title}: {error}", file=sys.stderr)
            code = FAILED
            continue
        tell(picture, answer)
        if answer.anomalous:
            code = max(code, ANOMALOUS)
            if overlays and answer.heatmap is not None:
                # Pictures of two folders may have one name.
                name = Path(picture).name
                named[name] += 1
                again = f"-{named[name]}" if named[name] > 1 else ""
                place = overlays / f"{name}{again}.{answer.heatmap.format}"
                place.write_bytes(answer.heatmap.data)
                print(f"    overlay: {place}")
    return code


def tell(picture: str, answer: Inspected) -> None:
    """Print the verdict, why it is undecided, and each defect's place."""
    verdict = "anomalous" if answer.verdict == "defect" else answer.verdict
    print(f"{picture}: {verdict}, score {answer.score:.4f} of {answer.threshold:.4f}")
    if answer.undecided is not None:
        print(f"    {answer.undecided.text}")
    for region in answer.regions:
        box = region.box
        print(f"    {box.width} x {box.height} px at ({box.x}, {box.y})")


if __name__ == "__main__":
    sys.exit(main())
