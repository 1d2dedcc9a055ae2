"""Ports for the demo: the usual ones where they are free, others where they are not."""

import socket

from service.demo.errors import DemoError


def choose_port(host: str, usual: int) -> int:
    """`usual` if it can be bound, else a free port that the system names.

    Raises:
        DemoError: no port can be bound at all.
    """
    for port in (usual, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            chosen: int = probe.getsockname()[1]
            return chosen
    raise DemoError(f"No port of {host} can be bound.")
