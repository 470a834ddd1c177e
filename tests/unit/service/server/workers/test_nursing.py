"""The process that workers are forked from, and its end."""

from __future__ import annotations

import select
import socket
import subprocess
import sys


def test_a_nursery_ends_in_good_order_though_the_supervisor_had_not_heard_all_that_it_said() -> (
    None
):
    control, its_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its_control:
        nursery = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "takt.server.workers.nursery",
                str(its_control.fileno()),
            ],
            pass_fds=[its_control.fileno()],
            stderr=subprocess.PIPE,
        )
    try:
        # It says that it has loaded, which nobody reads.
        assert select.select([control], [], [], 120)[0]
        control.close()
        _, log = nursery.communicate(timeout=60)
    finally:
        nursery.kill()
        nursery.wait()
    assert (nursery.returncode, log) == (0, b"")
