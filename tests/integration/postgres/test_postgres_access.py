"""Who gets in, what the server's account can read, and that the log tells no values."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from stat import S_IMODE
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import make_dsn

from service.postgres import Cluster
from service.postgres.account import server_account
from service.postgres.postmaster import find_postmaster

Query = Callable[..., list[tuple[Any, ...]]]
Eventually = Callable[[Callable[[], bool]], bool]

SECRET = "Mustermann"


@pytest.mark.usefixtures("root_only")
def test_the_servers_account_reads_its_own_folder_only(
    running_cluster: Cluster, tmp_path: Path
) -> None:
    account = server_account()
    folder = running_cluster.data_dir.parent
    objects = tmp_path / "objects"
    objects.mkdir(mode=0o700)
    (objects / "instance.dcm").write_bytes(b"DICM")
    secret = folder / "secret"
    secret.touch(mode=0o600)
    for path in (objects / "instance.dcm", secret, folder / "password"):
        assert account.run(["cat", path]).returncode != 0
    assert account.run(["ls", objects]).returncode != 0
    assert account.run(["touch", folder / "planted"]).returncode != 0
    assert account.run(["cat", running_cluster.data_dir / "PG_VERSION"]).returncode == 0


def test_nobody_else_reads_the_password_or_enters_the_folder(running_cluster: Cluster) -> None:
    folder = running_cluster.data_dir.parent
    assert S_IMODE((folder / "password").stat().st_mode) == 0o600
    assert S_IMODE(folder.stat().st_mode) & 0o007 == 0
    assert S_IMODE(running_cluster.data_dir.stat().st_mode) == 0o700
    assert len((folder / "password").read_text()) >= 32


def test_it_listens_to_this_machine_alone(running_cluster: Cluster) -> None:
    postmaster = find_postmaster(running_cluster.data_dir)
    assert postmaster is not None
    listening = [c for c in postmaster.process.net_connections("all") if c.status == "LISTEN"]
    assert [c.laddr.ip for c in listening] == ["127.0.0.1"]
    sockets = running_cluster.data_dir.parent / "sockets"
    assert S_IMODE(sockets.stat().st_mode) == 0o700
    listening = postmaster.process.net_connections("unix")
    assert {Path(c.laddr).parent for c in listening if c.laddr} == {sockets}


@pytest.mark.parametrize(
    "changes", [{"password": "wrong"}, {"user": "postgres"}, {"user": "postgres", "password": ""}]
)
@pytest.mark.parametrize("way", [{}, {"host": "127.0.0.1"}])
def test_only_the_role_with_its_password_gets_in(
    running_cluster: Cluster, way: dict[str, str], changes: dict[str, str]
) -> None:
    dsn = make_dsn(running_cluster.dsn(), **way)
    psycopg2.connect(dsn).close()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(make_dsn(dsn, **changes))


def test_clients_come_by_the_socket_where_there_is_one(
    running_cluster: Cluster, query: Query
) -> None:
    by_socket = "SELECT inet_client_addr() IS NULL"
    assert query(running_cluster, by_socket) == [(True,)]
    sockets = running_cluster.data_dir.parent / "sockets"
    away = sockets.rename(sockets.with_name("away"))
    try:
        assert query(running_cluster, by_socket) == [(False,)]
    finally:
        away.rename(sockets)


def test_the_role_reads_no_files_of_the_server(running_cluster: Cluster, query: Query) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        query(running_cluster, "SELECT pg_read_file('/etc/passwd')")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        query(running_cluster, "CREATE TEMP TABLE t (x text); COPY t FROM PROGRAM 'id'")


def test_a_database_that_the_role_makes_has_pgvector(running_cluster: Cluster) -> None:
    with closing(psycopg2.connect(running_cluster.dsn())) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE restored")
    dsn = make_dsn(running_cluster.dsn(), dbname="restored")
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT '[3,4]'::vector <-> '[0,0]'")
        assert cursor.fetchone() == (5.0,)


def test_the_log_tells_of_trouble_but_no_values(
    running_cluster: Cluster, query: Query, eventually: Eventually
) -> None:
    log = running_cluster.data_dir.parent / "log"
    query(running_cluster, "CREATE TABLE patient (name text PRIMARY KEY)")
    query(running_cluster, f"INSERT INTO patient VALUES ('{SECRET}')")
    for statement in (
        f"INSERT INTO patient VALUES ('{SECRET}')",
        f"SELECT '{SECRET}'::integer",
        f"SELECT {SECRET} FROM patient",
        f"DO $$ BEGIN RAISE WARNING '{SECRET}'; RAISE EXCEPTION '{SECRET}'; END $$",
    ):
        with pytest.raises(psycopg2.Error):
            query(running_cluster, statement)
    crash_a_session(running_cluster, query, eventually)

    def written() -> str:
        return "".join(path.read_text() for path in log.iterdir())

    assert eventually(lambda: "terminated by signal" in written())
    assert SECRET not in written()
    assert all(S_IMODE(path.stat().st_mode) == 0o600 for path in log.iterdir())
    running_cluster.ensure_running()


def crash_a_session(cluster: Cluster, query: Query, eventually: Eventually) -> None:
    """Let a session crash in the middle of a statement, which PostgreSQL likes to quote."""
    lost: list[Exception] = []

    def sleep() -> None:
        try:
            query(cluster, f"SELECT pg_sleep(600), '{SECRET}'")
        except psycopg2.Error as error:
            lost.append(error)

    session = threading.Thread(target=sleep)
    session.start()
    asleep = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    assert eventually(lambda: len(query(cluster, asleep)) == 1)
    os.kill(query(cluster, asleep)[0][0], signal.SIGSEGV)
    session.join()
    assert len(lost) == 1
