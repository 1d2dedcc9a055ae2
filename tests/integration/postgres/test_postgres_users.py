"""Processes share the server: the first starts it, the last stops it, killed ones do not count."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.postgres import Cluster, PostgresError
from service.postgres.postmaster import find_postmaster

Program = Callable[..., subprocess.Popen[str]]
Query = Callable[..., list[tuple[Any, ...]]]

HOLD = """
import sys
from pathlib import Path
from service.postgres import Cluster
with Cluster(Path(sys.argv[1])).running():
    print("up", flush=True)
    sys.stdin.read()
"""


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def leave(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate()
    assert process.returncode == 0, errors


def pid_of(cluster: Cluster) -> int:
    postmaster = find_postmaster(cluster.data_dir)
    assert postmaster is not None
    return postmaster.process.pid


def test_the_last_of_two_users_stops_it(
    idle_cluster: Cluster, idle_state_dir: Path, program: Program
) -> None:
    one, two = program(HOLD, idle_state_dir), program(HOLD, idle_state_dir)
    assert (line_of(one), line_of(two)) == ("up", "up")
    server = pid_of(idle_cluster)
    leave(one)
    assert idle_cluster.is_running()
    assert pid_of(idle_cluster) == server
    leave(two)
    assert not idle_cluster.is_running()


def test_many_first_users_at_once_make_one_cluster(
    cluster: Cluster, state_dir: Path, program: Program
) -> None:
    users = [program(HOLD, state_dir) for _ in range(4)]
    assert [line_of(user) for user in users] == ["up"] * 4
    assert [entry.name for entry in cluster.data_dir.parent.glob("data*")] == ["data"]
    for user in users:
        leave(user)
    assert not cluster.is_running()


def test_a_killed_users_server_is_taken_over_and_stopped_by_the_next(
    idle_cluster: Cluster, idle_state_dir: Path, program: Program
) -> None:
    user = program(HOLD, idle_state_dir)
    assert line_of(user) == "up"
    user.kill()
    user.wait()
    assert idle_cluster.is_running()
    server = pid_of(idle_cluster)
    with idle_cluster.running():
        assert pid_of(idle_cluster) == server
    assert not idle_cluster.is_running()


def test_ctrl_c_to_the_users_group_does_not_reach_the_server(
    idle_cluster: Cluster, idle_state_dir: Path, program: Program, query: Query
) -> None:
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + HOLD
    user = program(code, idle_state_dir, start_new_session=True)
    assert line_of(user) == "up"
    server = pid_of(idle_cluster)
    os.killpg(user.pid, signal.SIGINT)
    assert os.getsid(server) != os.getsid(user.pid)
    assert query(idle_cluster, "SELECT 1") == [(1,)]
    assert pid_of(idle_cluster) == server
    leave(user)


def test_the_server_holds_no_descriptor_of_its_starter(
    idle_cluster: Cluster, idle_state_dir: Path, program: Program
) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not list a process's descriptors")
    user = program(HOLD, idle_state_dir)
    assert line_of(user) == "up"
    theirs = set(descriptors(user.pid))
    lock = str(idle_cluster.data_dir.parent / "users.lock")
    assert lock in theirs
    main = psutil.Process(pid_of(idle_cluster))
    for process in [main, *main.children()]:
        ours = set(descriptors(process.pid))
        assert {name for name in ours & theirs if name != "/dev/null"} == set()
    leave(user)


def descriptors(pid: int) -> list[str]:
    return [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]


def test_it_is_stopped_when_its_user_fails(idle_cluster: Cluster) -> None:
    with pytest.raises(ZeroDivisionError), idle_cluster.running():
        raise ZeroDivisionError
    assert not idle_cluster.is_running()


def test_a_cluster_in_use_is_not_removed(cluster: Cluster, query: Query) -> None:
    with cluster.running():
        with pytest.raises(PostgresError, match="in use"):
            cluster.remove()
        assert query(cluster, "SELECT 1") == [(1,)]
    folder = cluster.data_dir.parent
    cluster.remove()
    assert not folder.exists()
