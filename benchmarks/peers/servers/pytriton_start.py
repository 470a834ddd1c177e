"""Starts pytriton_app.py so that Triton's stub loads this interpreter's library.

It would take the distribution's, which may be another release and then fails; the loader reads
LD_LIBRARY_PATH only when a process starts.
"""

import os
import sys
import sysconfig
from pathlib import Path


def main() -> None:
    """Become the server."""
    own = sysconfig.get_config_var("LIBDIR") or ""
    others = os.environ.get("LD_LIBRARY_PATH", "")
    os.environ["LD_LIBRARY_PATH"] = f"{own}:{others}" if others else own
    app = Path(__file__).with_name("pytriton_app.py")
    os.execv(sys.executable, [sys.executable, str(app)])


if __name__ == "__main__":
    main()
