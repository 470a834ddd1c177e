"""Send a camera's frames to a running server and print what it says of each, in order.

    make serve                                            # in another terminal
    python examples/client_stream.py examples/pictures/*/*.jpg

The pictures stand in for a camera. Any iterator over encoded pictures, paths or arrays does; of
arrays, `stream.inspect(camera, color="bgr")` says the order of the channels.
Needs the client: `pip install ./clients/python`. A server with API keys takes the one in TAKT_KEY.

Exit codes: 0 every part is good, 1 at least one vote says bad, 2 not every frame was answered.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

from takt_client import FrameAnswer, FrameDropped, RetryPolicy, TaktClient, TaktError
from takt_client.session import VoteChoice

GOOD, ANOMALOUS, FAILED = range(3)


def main(arguments: list[str] | None = None) -> int:
    """Print a line for each frame; returns the exit code."""
    parser = argparse.ArgumentParser(description="Stream frames to a running Takt server.")
    parser.add_argument("frames", nargs="+", metavar="PICTURE")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the server; %(default)s")
    parser.add_argument("--model", help="its name; else the server's first, which takes a key "
                        "with the scope read")  # fmt: skip
    parser.add_argument("--vote", default="2/3", type=vote, help="K/N: a part is bad if K of its "
                        "last N frames are; %(default)s")  # fmt: skip
    parser.add_argument("--wait", type=float, default=10.0, metavar="SECONDS",
                        help="for a busy or missing server; %(default)s")  # fmt: skip
    parser.add_argument("--cafile", help="PEM file of the authority that signed its certificate")
    given = parser.parse_args(arguments)
    try:
        retry = RetryPolicy(deadline_s=given.wait)
        with TaktClient(given.url, cafile=given.cafile, retry=retry) as client:
            model = given.model or client.models()[0].name
            return watch(client, model, given.frames, given.vote)
    except TaktError as error:
        print(f"{error.title}: {error}", file=sys.stderr)
    except IndexError:
        print("the server has no model", file=sys.stderr)
    return FAILED


def watch(client: TaktClient, model: str, camera: Iterable[str], vote: VoteChoice) -> int:
    """Stream the frames; returns the exit code."""
    code = GOOD
    with client.stream(model, vote=vote) as stream:
        for item in stream.inspect(camera):
            if isinstance(item, FrameAnswer):
                bad = item.vote is not None and item.vote.anomalous
                code = max(code, ANOMALOUS if bad else GOOD)
                why = item.inspected.undecided
                print(
                    f"frame {item.sequence}: score {item.inspected.score:.4f}, "
                    f"{'bad part' if bad else 'good so far'}, {item.age_ms:.0f} ms old"
                    f"{'' if why is None else f', undecided: {why.text}'}"
                )
            elif isinstance(item, FrameDropped):
                print(f"frame {item.sequence}: a newer one took its place")
            else:
                print(f"frame {item.sequence}: {item.error.title}: {item.error}", file=sys.stderr)
                code = FAILED
        if stream.stats is not None:
            print(f"{stream.stats.answered} answers, {stream.stats.frames_per_s:.1f} a second")
    return code


def vote(text: str) -> VoteChoice:
    """K/N as the votes that the server counts."""
    k, _, n = text.partition("/")
    if not (k.isdecimal() and n.isdecimal() and 1 <= int(k) <= int(n)):
        raise argparse.ArgumentTypeError(f"{text} is no vote; 2/3 is")
    return {"k": int(k), "n": int(n)}


if __name__ == "__main__":
    sys.exit(main())
