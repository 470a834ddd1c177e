"""Ends with 0 if the server in this container is ready, else with 1.

The standard library only, and no proxy, whatever the environment names.
"""

from __future__ import annotations

import http.client
import os
import sys


def port() -> int:
    """The server's; Kubernetes may have put the address of a service into the variable."""
    given = os.environ.get("TAKT_PORT", "")
    return int(given) if given.isdigit() else 8000


def main() -> int:
    """Ask once, for two seconds at most."""
    connection = http.client.HTTPConnection("127.0.0.1", port(), timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return 0 if connection.getresponse().status == 200 else 1
    except (OSError, http.client.HTTPException):
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
