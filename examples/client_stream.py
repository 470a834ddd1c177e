"""Send a camera's frames to a running server and print what it says of each, in order.

    make serve                                            # in another terminal
    python examples/client_stream.py examples/pictures/*/*.jpg

The pictures stand in for a camera: any iterator over encoded pictures, paths or RGB arrays does.
Needs the client: `pip install ./clients/python`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from takt_client import FrameAnswer, FrameRefused, TaktClient, TaktError


def main(camera: Iterator[Path]) -> None:
    """Print a line for each frame; a part is bad if two of its last three frames are."""
    with TaktClient("http://127.0.0.1:8000") as client:
        model = client.models()[0].name
        with client.stream(model, vote={"k": 2, "n": 3}) as stream:
            for item in stream.inspect(camera):
                if isinstance(item, FrameAnswer):
                    bad = item.vote is not None and item.vote.anomalous
                    print(
                        f"frame {item.sequence}: score {item.inspected.score:.4f}, "
                        f"{'bad part' if bad else 'good so far'}, {item.age_ms:.0f} ms old"
                    )
                elif isinstance(item, FrameRefused):
                    print(f"frame {item.sequence}: {item.error}")
            if stream.stats is not None:
                print(f"{stream.stats.answered} answers, {stream.stats.frames_per_s:.1f} a second")


if __name__ == "__main__":
    try:
        main(Path(argument) for argument in sys.argv[1:])
    except TaktError as error:
        sys.exit(f"{error.title}: {error}")
