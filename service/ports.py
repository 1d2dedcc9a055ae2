"""Whether a TCP port can be bound."""

import socket

from service.errors import ConfigurationError


def bind_fault(host: str, port: int) -> str | None:
    """Why a server cannot bind there, or None when it can."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return None


def is_free(host: str, port: int) -> bool:
    """Whether nothing is in the way of a server there."""
    return bind_fault(host, port) is None


def require_free(host: str, port: int, option: str) -> None:
    """Make sure that a server can bind.

    Raises:
        ConfigurationError: it cannot; the message names the option to change.
    """
    fault = bind_fault(host, port)
    if fault is not None:
        raise ConfigurationError(
            f"{host}:{port} cannot be used: {fault}. "
            f"Choose another with {option}, or stop what holds it."
        )
