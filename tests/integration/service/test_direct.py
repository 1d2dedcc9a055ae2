"""The connection on which one can do something else while the server works."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Event, Thread

import psycopg2
import pytest
from sqlalchemy import Engine

from service.db import direct
from service.db.direct import DirectConnection
from tests.support.databases import end_sessions
from tests.support.waiting import eventually


@pytest.fixture
def connection(engine: Engine) -> Iterator[DirectConnection]:
    with closing(DirectConnection(engine)) as made:
        yield made


def test_the_last_statement_says_what_it_found(connection: DirectConnection) -> None:
    connection.send("SELECT 1; SELECT %s, 3", (2,))
    connection.answer()
    assert connection.rows() == [(2, 3)]


def test_the_server_works_while_nobody_waits(engine: Engine, connection: DirectConnection) -> None:
    connection.send("CREATE TABLE made_meanwhile ()")

    def is_made() -> bool:
        with engine.connect() as other:
            found = other.exec_driver_sql("SELECT to_regclass('made_meanwhile')").scalar()
        return found is not None

    eventually(is_made, "the table is there")
    connection.answer()


def test_it_is_set_up_as_the_engines_connections_are(
    engine: Engine, connection: DirectConnection
) -> None:
    asked = (
        "SELECT current_user, current_setting('synchronous_commit'), current_setting('timezone')"
    )
    connection.send(asked)
    connection.answer()
    with engine.connect() as other:
        assert connection.rows() == [tuple(other.exec_driver_sql(asked).one())]


def test_what_the_server_refuses_is_told_with_its_code(connection: DirectConnection) -> None:
    connection.send("SELECT 1 / 0")
    with pytest.raises(psycopg2.Error) as refused:
        connection.answer()
    assert refused.value.pgcode == "22012"


def test_a_server_that_ended_is_known_without_asking(
    connection: DirectConnection, cluster_url: str, database_url: str
) -> None:
    assert connection.is_alive()
    end_sessions(cluster_url, database_url)
    eventually(lambda: not connection.is_alive(), "it has said so")


def test_what_is_not_committed_ends_with_it(engine: Engine) -> None:
    with closing(DirectConnection(engine)) as connection:
        connection.send("BEGIN; CREATE TABLE never_made ()")
        connection.answer()
    with engine.connect() as other:
        found = other.exec_driver_sql("SELECT to_regclass('never_made')").scalar()
    assert found is None


@contextmanager
def starting_up() -> Iterator[int]:
    """The port of a server that says that it starts up, as the first of several hosts may."""
    said = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"

    def refuse() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                client.recv(4096)
                client.sendall(b"E" + (len(said) + 4).to_bytes(4, "big") + said)

    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=refuse, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_the_second_host_is_listened_to(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its socket is another one, and what was the first one's number may be anybody's by now."""
    given = direct._parameters(engine)
    (tmp_path / "file").touch()
    ended = Event()
    with ExitStack() as files, starting_up() as port:
        hosts = {"host": f"127.0.0.1,{given['host']}", "port": f"{port},{given['port']}"}
        monkeypatch.setattr(direct, "_parameters", lambda _: given | hosts)

        def open_files() -> None:
            while not ended.wait(0.0005):
                files.enter_context((tmp_path / "file").open())

        opener = Thread(target=open_files)
        opener.start()
        try:
            for _ in range(20):
                with closing(DirectConnection(engine)) as connection:
                    connection.send("SELECT 1")
                    connection.answer()
                    assert connection.rows() == [(1,)]
                    assert connection.is_alive()
        finally:
            ended.set()
            opener.join()
