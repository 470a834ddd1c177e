"""The sockets that a server listens on, taken before anything is loaded."""

from __future__ import annotations

import contextlib
import errno
import importlib
import itertools
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from takt.core.distribution import install_hint
from takt.core.errors import ConfigurationError
from takt.settings import Settings

_BACKLOG = 2048
"""Connections that may wait to be accepted, of which there are some while the server starts."""

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENS = "0A"
_OF_GRPC = ("grpc.aio", "grpc_health.v1.health_pb2", "tritonclient.grpc.service_pb2")


@dataclass(frozen=True)
class Listening:
    """Sockets that listen, whose connections wait until somebody accepts them.

    Attributes:
        main: for everything.
        metrics: for metrics and health alone; none where they are on the main port.
        rpc: addresses for gRPC, which opens sockets of its own; those that keep them for it do not
            listen. Of several processes each opens its own.
    """

    main: tuple[socket.socket, ...]
    metrics: tuple[socket.socket, ...] = ()
    rpc: tuple[str, ...] = ()


@contextlib.contextmanager
def listening(settings: Settings) -> Iterator[Listening]:
    """Listen where the settings say, until the block ends.

    >>> with listening(Settings(port=0)) as sockets:
    ...     sockets.main[0].getsockname()[0]
    '127.0.0.1'

    Raises:
        ConfigurationError: the address or a port cannot be had; the message says what to do.
    """
    names = ("port", "metrics_port", "grpc_port")
    ports = {name: getattr(settings, name) for name in names}
    for first, second in itertools.combinations(names, 2):
        if ports[first] and ports[first] == ports[second]:
            option = f"--{second.replace('_', '-')}"
            raise ConfigurationError(
                f"{first} and {second} are both {ports[first]}; give another {option}"
            )
    host, metrics_port, grpc_port = settings.host, settings.metrics_port, settings.grpc_port
    if grpc_port is not None:
        _check_grpc()
    with contextlib.ExitStack() as opened:
        main = _listen(opened, host, settings.port, "--port")
        metrics: tuple[socket.socket, ...] = ()
        rpc: tuple[socket.socket, ...] = ()
        if metrics_port is not None:
            metrics = _listen(opened, host, metrics_port, "--metrics-port")
        if grpc_port is not None:
            rpc = _keep(opened, host, grpc_port, "--grpc-port")
        yield Listening(main, metrics, tuple(_address(one) for one in rpc))


def url_of(scheme: str, listener: socket.SocketType) -> str:
    """Where a socket listens."""
    return f"{scheme}://{_address(listener)}"


def _check_grpc() -> None:
    """Import what `grpc_port` needs, an extra, before anything else is loaded.

    Raises:
        ConfigurationError: it is not installed, or not of versions that fit one another.
    """
    # It would print past the log whatever a stranger sends that is no gRPC.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        for name in _OF_GRPC:
            importlib.import_module(name)
    except (ImportError, RuntimeError, TypeError) as error:
        raise ConfigurationError(
            f"grpc_port needs gRPC and the messages of the Open Inference Protocol, which cannot "
            f"be imported ({error}); {install_hint('grpc')}"
        ) from None


def _address(bound: socket.SocketType) -> str:
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _listen(
    opened: contextlib.ExitStack, host: str, port: int, option: str
) -> tuple[socket.socket, ...]:
    """Sockets that listen."""
    sockets = _bind(opened, host, port, option, socket.SO_REUSEADDR)
    for one in sockets:
        one.listen(_BACKLOG)
    return sockets


def _keep(
    opened: contextlib.ExitStack, host: str, port: int, option: str
) -> tuple[socket.socket, ...]:
    """Sockets beside which this user may listen at the same address, and nobody else."""
    if port:
        # Whoever shares it would go unnoticed.
        with contextlib.ExitStack() as tried:
            _bind(tried, host, port, option, socket.SO_REUSEADDR)
    return _bind(opened, host, port, option, socket.SO_REUSEPORT)


def _bind(
    opened: contextlib.ExitStack, host: str, port: int, option: str, reuse: int
) -> tuple[socket.socket, ...]:
    """One socket for each address of the host that this machine has."""
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError):
        raise ConfigurationError(
            f"host is {host}, which is no address, and no name that is known here; give --host "
            "127.0.0.1 for this machine alone, or one of its own addresses"
        ) from None
    sockets, absent = [], None
    for family, kind, protocol, _, address in dict.fromkeys(found):
        try:
            one = opened.enter_context(socket.socket(family, kind, protocol))
            one.setsockopt(socket.SOL_SOCKET, reuse, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise ConfigurationError(_refusal(error, host, port, option)) from None
            absent = error  # of localhost, a container may have the one of IPv4 alone
        else:
            sockets.append(one)
    if not sockets and absent is not None:
        raise ConfigurationError(_refusal(absent, host, port, option))
    return tuple(sockets)


def _refusal(error: OSError, host: str, port: int, option: str) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"port {port} of {host} is taken by {_holder(port) or 'another process'}; give "
                f"another {option}, or {option} 0 for one that is free"
            )
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            return (
                f"host is {host}, which is no address of this machine; give --host 127.0.0.1 for "
                "this machine alone, or one of its own addresses"
            )
        case errno.EACCES | errno.EPERM:
            return (
                f"port {port} may not be taken by this user, as those below 1024 are the "
                f"system's; give {option} 1024 or more, or the capability CAP_NET_BIND_SERVICE"
            )
    return f"port {port} of {host} cannot be had: {os.strerror(error.errno or 0)}"


def _holder(port: int) -> str | None:
    """Name and id of the process that listens on a port; None where Linux does not tell us."""
    with contextlib.suppress(OSError, ValueError):
        rows = [row.split() for table in _TABLES for row in table.read_text().splitlines()[1:]]
        links = {
            f"socket:[{row[9]}]"
            for row in rows
            if row[3] == _LISTENS and int(row[1].rpartition(":")[2], 16) == port
        }
        for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
            with contextlib.suppress(OSError):  # it has ended, or belongs to somebody else
                if os.readlink(descriptor) in links:
                    process = descriptor.parents[1]
                    name = (process / "comm").read_text().strip()
                    return f"{name} (process {process.name})"
    return None
