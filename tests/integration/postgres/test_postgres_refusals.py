"""What is said, and what is left alone, when the server cannot be started."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.postgres import Cluster, PostgresError
from service.postgres.lock import exclusive

Query = Callable[..., list[tuple[Any, ...]]]


def test_before_the_first_start_there_is_no_dsn(cluster: Cluster) -> None:
    with pytest.raises(PostgresError, match="never been started"):
        cluster.dsn()


@pytest.mark.usefixtures("root_only")
def test_a_location_that_is_gone_is_named(cluster: Cluster, state_dir: Path) -> None:
    pointer = state_dir / "postgres" / "location"
    pointer.parent.mkdir(parents=True)
    pointer.write_text("/var/lib/precuneus/not-there\n")
    with pytest.raises(PostgresError, match="not-there, which is not there"), cluster.running():
        pass
    pointer.unlink()


def test_data_of_another_release_are_not_touched(idle_cluster: Cluster) -> None:
    with idle_cluster.running():
        version = idle_cluster.data_dir / "PG_VERSION"
    made_by = version.read_text()
    version.write_text("17\n")
    with (
        pytest.raises(PostgresError, match=r"made by PostgreSQL 17.*pg_dump"),
        idle_cluster.running(),
    ):
        pass
    assert version.read_text() == "17\n"
    version.write_text(made_by)


@pytest.mark.usefixtures("root_only")
def test_a_folder_that_went_out_of_reach_is_named(
    make_cluster: Callable[..., Cluster], open_dir: Path
) -> None:
    cluster = make_cluster(open_dir / "state")
    with cluster.running():
        pass
    open_dir.chmod(0o700)
    with pytest.raises(PostgresError, match="can no longer enter"), cluster.running():
        pass


def test_a_start_that_fails_says_why(idle_cluster: Cluster) -> None:
    with idle_cluster.running():
        folder = idle_cluster.data_dir.parent
    (folder / "local.conf").write_text("max_connections = 'many'\n")
    (folder / "local.conf").chmod(0o644)
    with pytest.raises(PostgresError, match="max_connections"), idle_cluster.running():
        pass
    assert not idle_cluster.is_running()
    (folder / "local.conf").unlink()


def test_a_start_that_takes_too_long_goes_on_and_is_taken_over(
    idle_cluster: Cluster, idle_state_dir: Path, query: Query
) -> None:
    hurried = Cluster(idle_state_dir, start_timeout_s=0)
    with pytest.raises(PostgresError, match="goes on"), hurried.running():
        pass
    with idle_cluster.running():
        assert query(idle_cluster, "SELECT 1") == [(1,)]


def test_waiting_for_another_start_can_be_given_up(idle_cluster: Cluster) -> None:
    with idle_cluster.running():
        start_lock = idle_cluster.data_dir.parent / "start.lock"

    class GivenUp(Exception):
        pass

    def give_up(_waited_s: float) -> None:
        raise GivenUp

    with exclusive(start_lock, 1), pytest.raises(GivenUp):
        idle_cluster.ensure_running(give_up)
    assert not idle_cluster.is_running()


@pytest.fixture
def small_disk(open_dir: Path) -> Iterator[Path]:
    disk = open_dir / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", "size=20m,mode=0755", "tmpfs", str(disk)]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.usefixtures("root_only")
def test_a_full_disk_is_called_that(make_cluster: Callable[..., Cluster], small_disk: Path) -> None:
    cluster = make_cluster(small_disk / "state")
    with pytest.raises(PostgresError, match="full; free some space"), cluster.running():
        pass
