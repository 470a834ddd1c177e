"""Ends with 0 if the server in this container is ready, else with 1.

The standard library only, and no proxy, whatever the environment names.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys


def port() -> int:
    """The server's; Kubernetes may have put the address of a service into the variable."""
    given = os.environ.get("TAKT_PORT", "")
    return int(given) if given.isdigit() else 8000


def connection() -> http.client.HTTPConnection:
    """To the port for metrics, which is plain, if there is one; else to the main one."""
    metrics = os.environ.get("TAKT_METRICS_PORT", "")
    if metrics:
        return http.client.HTTPConnection("127.0.0.1", int(metrics), timeout=2)
    if os.environ.get("TAKT_TLS_CERTIFICATE"):
        # The certificate is for the names of others, and nobody stands between here and here.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", port(), timeout=2, context=context)
    return http.client.HTTPConnection("127.0.0.1", port(), timeout=2)


def main() -> int:
    """Ask once, for two seconds at most."""
    try:
        asked = connection()
        asked.request("GET", "/health/ready")
        ready = asked.getresponse().status == 200
        asked.close()
    except (OSError, ValueError, http.client.HTTPException):
        return 1
    return 0 if ready else 1


if __name__ == "__main__":
    sys.exit(main())
