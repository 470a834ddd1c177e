"""Ends with 1, and one sentence, where a package index that pip is to ask does not answer.

Of such an index pip asks six times for each package, without a word. The standard library only.

    python3 .ci/reach.py [SECONDS]
"""

from __future__ import annotations

import os
import signal
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

VARIABLES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")
WITHIN_S = 10.0


class _TooLate(Exception):
    """Nothing has come in time, whatever was waited for: a name, a connection or an answer."""


def answers(url: str, within_s: float) -> bool:
    """Whether anything answers there; what it says is pip's to judge."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return True
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    signal.setitimer(signal.ITIMER_REAL, within_s)
    try:
        urllib.request.urlopen(bare).close()
    except urllib.error.HTTPError:
        return True
    except urllib.error.URLError as error:
        # pip may know other authorities.
        return isinstance(error.reason, ssl.SSLError)
    except (OSError, _TooLate):
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return True


def _too_late(*_: object) -> None:
    raise _TooLate


def main() -> int:
    """Ask each index once."""
    within_s = float(sys.argv[1]) if len(sys.argv) > 1 else WITHIN_S
    signal.signal(signal.SIGALRM, _too_late)
    for variable in VARIABLES:
        for url in os.environ.get(variable, "").split():
            if not answers(url, within_s):
                host = urllib.parse.urlsplit(url).netloc.rpartition("@")[2]
                print(
                    f"{variable}: {host} does not answer within {within_s:g} s; leave it out, or "
                    "name a mirror of it that can be reached from here",
                    file=sys.stderr,
                )
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
