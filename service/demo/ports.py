"""Ports for the demo: the usual ones where they are free, others where they are not."""

import socket

from service.ports import is_free


def choose_port(host: str, usual: int) -> int:
    """`usual` if it can be bound, else a free port that the system names."""
    if is_free(host, usual):
        return usual
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        chosen: int = probe.getsockname()[1]
    return chosen
