"""Keeps tests off the network: only this machine's own loopback may be spoken to."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any


class NetworkForbidden(RuntimeError):
    """A test tried to reach another machine."""


def _is_local(host: object) -> bool:
    if not host:
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    if text in {"localhost", "0.0.0.0", "::"}:
        return True
    try:
        return ipaddress.ip_address(text.split("%", 1)[0]).is_loopback
    except ValueError:
        return False


def _check(address: object) -> None:
    if isinstance(address, tuple) and not _is_local(address[0]):
        raise NetworkForbidden(f"This test tried to reach {address[0]}:{address[1]}; tests only use this machine.")


def forbid_network() -> None:
    """From now on connecting anywhere but to this machine, or asking for another one's address, fails; once."""
    connect = socket.socket.connect
    connect_ex = socket.socket.connect_ex
    sendto = socket.socket.sendto
    lookup = socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _check(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _check(address)
        return connect_ex(self, address)

    def guarded_sendto(self: socket.socket, *arguments: Any) -> int:
        _check(arguments[-1])
        return sendto(self, *arguments)

    def guarded_lookup(host: Any, *arguments: Any, **options: Any) -> Any:
        if not _is_local(host):
            raise NetworkForbidden(f"This test asked for the address of {host!r}; tests only use this machine.")
        return lookup(host, *arguments, **options)

    socket.socket.connect = guarded_connect  # type: ignore[method-assign,assignment]
    socket.socket.connect_ex = guarded_connect_ex  # type: ignore[method-assign,assignment]
    socket.socket.sendto = guarded_sendto  # type: ignore[method-assign,assignment]
    socket.getaddrinfo = guarded_lookup
