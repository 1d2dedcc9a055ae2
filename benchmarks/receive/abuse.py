"""What hostile or broken peers do, again and again until the process is ended.

`python -m benchmarks.receive.abuse CASE PORT AE_TITLE` prints a line once the case has begun.
"""

import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress

from benchmarks.children import HOST
from benchmarks.receive.dialogue import (
    DATASET,
    P_DATA_TF,
    association_request,
    store_request,
    value,
)

_HALF_OPEN, _SHORT, _SLOW = 200, 300, 10
_LONGEST = 0xFFFFFFFF
_HELLO = bytes.fromhex("16030100a5010000a10303") + bytes(156)

Case = Callable[[int, bytes], None]


def connected(port: int) -> socket.socket:
    """A connection that gives up on a receiver which does not read."""
    return socket.create_connection((HOST, port), 5.0)


def random_bytes(port: int, _request: bytes) -> None:
    """Noise."""
    with connected(port) as peer:
        peer.sendall(os.urandom(1 << 16))
        _await_end(peer)


def http(port: int, _request: bytes) -> None:
    """A web browser on the wrong port."""
    with connected(port) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: node\r\n\r\n")
        _await_end(peer)


def tls_hello(port: int, _request: bytes) -> None:
    """A TLS client on the wrong port."""
    with connected(port) as peer:
        peer.sendall(_HELLO)
        _await_end(peer)


def half_open(port: int, _request: bytes) -> None:
    """Many connections that say nothing."""
    with ExitStack() as stack:
        for _ in range(_HALF_OPEN):
            stack.enter_context(connected(port))
        time.sleep(0.5)


def connect_and_close(port: int, _request: bytes) -> None:
    """A port scan, over and over."""
    for _ in range(_SHORT):
        connected(port).close()
    time.sleep(0.1)


def silent_giant(port: int, _request: bytes) -> None:
    """A PDU of 4 GB is announced and does not come."""
    with connected(port) as peer:
        peer.sendall(struct.pack(">BxL", 0x01, _LONGEST))
        _await_end(peer)


def flooding_giant(port: int, request: bytes) -> None:
    """A PDU of 4 GB is announced on an association, and comes."""
    with connected(port) as peer:
        _associate(peer, request)
        peer.sendall(struct.pack(">BxL", P_DATA_TF, _LONGEST))
        _flood(peer, bytes(1 << 16))


def endless_dataset(port: int, request: bytes) -> None:
    """A C-STORE that does not end, as fast as it is taken, for a second."""
    with connected(port) as peer:
        _associate(peer, request)
        peer.sendall(store_request("2.25.1"))
        _flood(peer, value(bytes(16_000), DATASET) * 8, seconds=1.0)


def drip(port: int, request: bytes) -> None:
    """Ten associations, each with two bytes a second inside a PDU."""
    with ExitStack() as stack:
        peers = [stack.enter_context(connected(port)) for _ in range(_SLOW)]
        for peer in peers:
            _associate(peer, request)
            peer.sendall(store_request("2.25.2") + struct.pack(">BxL", P_DATA_TF, 1000))
        for _ in range(3):
            for peer in peers:
                peer.sendall(b"\0\0")
            time.sleep(1.0)


def reset_in_the_middle(port: int, request: bytes) -> None:
    """RST in the middle of a C-STORE."""
    with connected(port) as peer:
        _associate(peer, request)
        peer.sendall(store_request("2.25.3") + value(bytes(16_000), DATASET) * 4)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


CASES: Mapping[str, Case] = {
    "random bytes": random_bytes,
    "HTTP": http,
    "TLS hello": tls_hello,
    "half-open, 200": half_open,
    "connect and close, 300": connect_and_close,
    "4 GB PDU, silent": silent_giant,
    "4 GB PDU, flooding": flooding_giant,
    "endless dataset": endless_dataset,
    "2 bytes a second, 10": drip,
    "RST in mid C-STORE": reset_in_the_middle,
}


def _associate(peer: socket.socket, request: bytes) -> None:
    peer.sendall(request)
    peer.recv(1 << 16)


def _flood(peer: socket.socket, piece: bytes, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        peer.sendall(piece)


def _await_end(peer: socket.socket) -> None:
    peer.settimeout(1.0)
    while peer.recv(1 << 16):
        pass


def main() -> None:
    """Repeat a case until killed."""
    name, port, ae_title = sys.argv[1:]
    case, request = CASES[name], association_request(ae_title)
    print("begun", flush=True)
    while True:
        # A receiver that defends itself resets, refuses or stays silent: that is the point.
        with suppress(OSError):
            case(int(port), request)
        time.sleep(0.005)


if __name__ == "__main__":
    main()
