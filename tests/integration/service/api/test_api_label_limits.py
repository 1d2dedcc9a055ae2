"""Tables of labels over HTTP that are beyond a limit, or that end before they are whole."""

import socket
from collections.abc import Callable, Iterator

import httpx
import pytest
from sqlalchemy import Engine

from service.settings import LabelSettings
from tests.support.serving import problem_of
from tests.support.stored import count_rows

PATH = "/v1/labels/import"
CSV = {"Content-Type": "text/csv"}
HEAD = b"sop_instance_uid,label\n"


@pytest.fixture
def client(serve: Callable[..., httpx.Client]) -> httpx.Client:
    """The API of an empty gallery that takes tables of 1 MiB and 1,000 lines."""
    return serve(labels=LabelSettings(maximum_lines=1000, maximum_mb=1))


def test_too_many_lines_are_refused_and_nothing_is_kept(
    client: httpx.Client, engine: Engine
) -> None:
    lines = [b"1.%d,glioma\n" % number for number in range(1001)]
    detail = problem_of(client.post(PATH, content=HEAD + b"".join(lines), headers=CSV), 413)
    assert "more than 1000 lines" in detail
    assert "PRECUNEUS_LABELS__MAXIMUM_LINES" in detail
    assert count_rows(engine, "label") == 0
    done = client.post(PATH, content=HEAD + b"".join(lines[1:]), headers=CSV)
    assert done.json()["recorded"] == count_rows(engine, "label") == 1000


def test_too_many_bytes_are_refused_as_they_come(client: httpx.Client, engine: Engine) -> None:
    def endless() -> Iterator[bytes]:
        yield HEAD
        for _ in range(20):
            yield b"1.1,glioma\n" * 6000

    detail = problem_of(client.post(PATH, content=endless(), headers=CSV), 413)
    assert "more than 1 MiB" in detail
    assert "PRECUNEUS_LABELS__MAXIMUM_MB" in detail
    assert count_rows(engine, "label") == 0


def test_an_announced_size_is_refused_before_a_byte_comes(client: httpx.Client) -> None:
    with connected(client) as peer:
        peer.sendall(head_of(2 << 20))
        answer = b""
        while b"more than 1 MiB" not in answer and (piece := peer.recv(65536)):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"more than 1 MiB" in answer


def test_a_table_that_ends_early_leaves_nothing(client: httpx.Client) -> None:
    with connected(client) as peer:
        peer.sendall(head_of(1 << 16) + HEAD + b"1.1,glioma\n")
    # One event loop sees that end before it answers this.
    whole = client.post(PATH, content=HEAD + b"1.2,bleed\n", headers=CSV)
    assert whole.json()["recorded"] == 1
    assert [one["label"] for one in client.get("/v1/labels").json()["labels"]] == ["bleed"]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_no_more_than_a_statement_is_read_even_before_the_key(
    serve: Callable[..., httpx.Client], method: str
) -> None:
    client = serve(demands_key=True)
    path = "/v1/instances/1.2/labels" + ("" if method == "POST" else "/1")
    headers = {"Content-Type": "application/json"}

    def endless() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 60_000

    bodies: list[bytes | Iterator[bytes]] = [b" " * (1 << 16) + b"{}", endless()]
    for body in bodies:
        answer = client.request(method, path, content=body, headers=headers)
        assert "64 KiB" in problem_of(answer, 413)
    problem_of(client.request(method, path, content=b"{}", headers=headers), 401)


def connected(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port))


def head_of(size: int) -> bytes:
    """The head of a request that announces so many bytes."""
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
        f"Content-Length: {size}\r\n\r\n"
    ).encode()
