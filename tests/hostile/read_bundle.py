"""Reads a bundle in a process that has nothing else to do, and tells what that took."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

from takt.core.bundles.bundle import load_bundle
from takt.core.bundles.host_profile import read_profile
from takt.core.bundles.thresholds import read_overrides
from takt.core.errors import TaktError
from takt.core.pictures.roi import roi_on_map
from takt.repository.activation import read_activation


def read_as_a_server(path: Path) -> None:
    """Reads all that a server reads before it opens an engine."""
    repository = path.parent.parent
    read_activation(path.parent)
    bundle = load_bundle(path, repository)
    read_overrides(path, repository)
    read_profile(path, "host", repository)
    roi_on_map(bundle)


def largest_mib() -> float:
    """Most resident memory of this process so far, not of the one that it was forked from."""
    (kib,) = re.findall(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())
    return int(kib) / 1024


def main() -> None:
    """Prints the message, the time and the memory as JSON; no message if the bundle is taken."""
    message = ""
    started_s = time.perf_counter()
    try:
        read_as_a_server(Path(sys.argv[1]))
    except TaktError as error:
        message = str(error)
    seconds = time.perf_counter() - started_s
    print(json.dumps({"message": message, "seconds": seconds, "mib": largest_mib()}))


if __name__ == "__main__":
    main()
