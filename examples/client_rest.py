"""Ask a running server about pictures, one after another.

    make serve                                            # in another terminal
    python examples/client_rest.py examples/pictures/*/*.jpg

Needs the client: `pip install ./clients/python`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from takt_client import TaktClient, TaktError


def main(paths: list[Path]) -> None:
    """Print a line for each picture; the heatmap of a bad one goes beside the program."""
    with TaktClient("http://127.0.0.1:8000") as client:
        model = client.models()[0].name
        for path in paths:
            answer = client.inspect(model, path, heatmap="overlay")
            verdict = "anomalous" if answer.anomalous else "good"
            print(f"{path.name}: {verdict}, score {answer.score:.4f} of {answer.threshold:.4f}")
            for region in answer.regions:
                box = region.box
                print(f"    {box.width} x {box.height} px at ({box.x}, {box.y})")
            if answer.anomalous and answer.heatmap is not None:
                Path(f"{path.stem}.overlay.jpg").write_bytes(answer.heatmap.data)


if __name__ == "__main__":
    try:
        main([Path(argument) for argument in sys.argv[1:]])
    except TaktError as error:
        sys.exit(f"{error.title}: {error}")
