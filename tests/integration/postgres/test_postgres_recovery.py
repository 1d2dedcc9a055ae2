"""The server comes back after whatever ended it, with all that was committed."""

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from service.postgres import Cluster, Watch
from service.postgres.account import server_account
from service.postgres.postmaster import find_postmaster

Query = Callable[..., list[tuple[Any, ...]]]
Eventually = Callable[[Callable[[], bool]], bool]

BUSY = "DO $$ BEGIN LOOP END LOOP; END $$"


def postmaster_of(cluster: Cluster) -> psutil.Process:
    postmaster = find_postmaster(cluster.data_dir)
    assert postmaster is not None
    return postmaster.process


def kill_all(cluster: Cluster) -> list[psutil.Process]:
    """Kill the server and its sessions, as a lost machine would; return once they are dead."""
    main = postmaster_of(cluster)
    processes = [main, *main.children(recursive=True)]
    for process in processes:
        # Those that see the main process dead may be gone before their turn.
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=30)
    assert all(map(is_dead, processes))
    return processes


def is_dead(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def used(running_cluster: Cluster, query: Query) -> Cluster:
    """A running cluster that holds one committed row."""
    running_cluster.ensure_running()
    query(running_cluster, "DROP TABLE IF EXISTS kept")
    query(running_cluster, "CREATE TABLE kept AS SELECT 42 AS answer")
    return running_cluster


def test_after_kill_9_the_committed_row_is_there_on_the_same_port(
    used: Cluster, query: Query
) -> None:
    before, killed = used.dsn(), kill_all(used)
    assert not used.is_running()
    used.ensure_running()
    assert query(used, "SELECT answer FROM kept") == [(42,)]
    assert used.dsn() == before
    assert postmaster_of(used).pid != killed[0].pid


def test_a_session_that_computes_on_after_the_servers_death_is_ended(
    used: Cluster, query: Query, eventually: Eventually
) -> None:
    lost: list[Exception] = []

    def compute() -> None:
        try:
            query(used, BUSY)
        except psycopg2.Error as error:
            lost.append(error)

    session = threading.Thread(target=compute)
    session.start()
    active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %' AND state = 'active'"
    assert eventually(lambda: query(used, active) == [(1,)])
    killed = postmaster_of(used)
    killed.kill()
    assert eventually(lambda: is_dead(killed))
    used.ensure_running()
    assert query(used, "SELECT answer FROM kept") == [(42,)]
    session.join()
    assert len(lost) == 1


def test_a_running_server_is_left_alone(used: Cluster) -> None:
    before = postmaster_of(used)
    used.ensure_running()
    assert postmaster_of(used) == before


def test_the_watch_restarts_a_dead_server(
    used: Cluster, query: Query, eventually: Eventually
) -> None:
    watch = Watch(used)
    watch.start()
    killed = postmaster_of(used)
    killed.kill()
    assert eventually(lambda: is_dead(killed))
    assert eventually(used.is_running)
    watch.stop(30)
    assert query(used, "SELECT answer FROM kept") == [(42,)]


@pytest.fixture(params=["a live process", "a zombie"])
def stranger(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the server's own account that has nothing to do with it."""
    account = server_account()
    argv = ["sleep", "600"] if request.param == "a live process" else ["true"]
    process = account.launch(argv, folder=Path("/"), env={})
    if request.param == "a zombie":
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    yield process
    process.kill()
    process.wait()


def test_stale_pid_and_lock_files_that_name_a_stranger_are_seen_through(
    used: Cluster, query: Query, stranger: subprocess.Popen[bytes]
) -> None:
    pid_file = used.data_dir / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    kill_all(used)
    text = "\n".join([str(stranger.pid), *lines[1:], ""])
    sockets = used.data_dir.parent / "sockets"
    for path in (pid_file, *sockets.glob(".*.lock")):
        path.write_text(text)
    assert not used.is_running()
    used.stop()
    used.ensure_running()
    assert query(used, "SELECT answer FROM kept") == [(42,)]
    assert stranger.poll() in (None, 0)


def test_a_port_that_was_taken_meanwhile_is_replaced(used: Cluster, query: Query) -> None:
    before = used.dsn()
    port = int(psycopg2.extensions.parse_dsn(before)["port"])
    used.stop()
    with closing(socket.create_server(("127.0.0.1", port))):
        used.ensure_running()
        assert used.dsn() != before
        assert query(used, "SELECT answer FROM kept") == [(42,)]


def test_a_port_that_is_taken_in_the_last_moment_is_replaced(
    used: Cluster, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = used.dsn()
    port = int(psycopg2.extensions.parse_dsn(before)["port"])
    used.stop()
    # As if the listener had come after the look at the port and before the server.
    monkeypatch.setattr("service.postgres.server._is_free", lambda port: True)
    with closing(socket.create_server(("127.0.0.1", port))):
        used.ensure_running()
        assert used.dsn() != before
        assert query(used, "SELECT answer FROM kept") == [(42,)]


def test_a_crashed_cluster_starts_for_its_next_user(used: Cluster, query: Query) -> None:
    kill_all(used)
    with used.running():
        assert query(used, "SELECT answer FROM kept") == [(42,)]


def test_stop_ends_the_server_while_others_use_it(used: Cluster, eventually: Eventually) -> None:
    main = postmaster_of(used)
    processes = [main, *main.children(recursive=True)]
    used.stop()
    assert not used.is_running()
    assert eventually(lambda: all(map(is_dead, processes)))
