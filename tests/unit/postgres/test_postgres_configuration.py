"""The server's configuration as derived from a machine."""

import socket
from pathlib import Path

import pytest

from service.postgres.configuration import access_rules, configuration
from service.postgres.folder import ClusterFolder
from service.tuning.machine import Machine, this_machine

GIB = 1 << 30


def settings_of(machine: Machine, root: Path = Path("/srv/gallery")) -> dict[str, str]:
    text = configuration(ClusterFolder(root), 20123, machine)
    pairs = (line.split(" = ", 1) for line in text.splitlines())
    return {name: value[1:-1] for name, value in pairs}


@pytest.mark.parametrize(
    ("memory", "shared_buffers", "upkeep"),
    [
        (GIB // 8, "64MB", "64MB"),
        (4 * GIB, "1024MB", "256MB"),
        (16 * GIB, "4096MB", "1024MB"),
        (512 * GIB, "32768MB", "1024MB"),
    ],
)
def test_a_quarter_of_the_memory_holds_the_index(
    memory: int, shared_buffers: str, upkeep: str
) -> None:
    settings = settings_of(Machine(memory, GIB))
    assert settings["shared_buffers"] == shared_buffers
    assert settings["maintenance_work_mem"] == upkeep


@pytest.mark.parametrize(
    ("cores", "building", "searching"), [(1, "1", "1"), (2, "1", "1"), (16, "15", "4")]
)
def test_parallel_workers_follow_the_cores(cores: int, building: str, searching: str) -> None:
    settings = settings_of(Machine(8 * GIB, GIB, cores))
    assert settings["max_parallel_maintenance_workers"] == building
    assert settings["max_parallel_workers_per_gather"] == searching


@pytest.mark.parametrize(
    ("size", "kind", "parallel"),
    [(GIB, "posix", True), (64 << 20, "posix", False), (None, "mmap", False)],
)
def test_little_shared_memory_means_no_parallel_index_builds(
    size: int | None, kind: str, parallel: bool
) -> None:
    settings = settings_of(Machine(8 * GIB, size))
    assert settings["dynamic_shared_memory_type"] == kind
    assert (settings["max_parallel_maintenance_workers"] != "0") is parallel
    assert (settings["max_parallel_workers_per_gather"] != "0") is parallel


def test_commits_are_durable_and_only_this_machine_is_served() -> None:
    settings = settings_of(this_machine())
    assert {settings["fsync"], settings["synchronous_commit"]} == {"on"}
    assert (settings["listen_addresses"], settings["port"]) == ("127.0.0.1", "20123")
    assert settings["unix_socket_directories"] == "/srv/gallery/sockets"
    assert access_rules().splitlines() == [
        "local all precuneus scram-sha-256",
        "host all precuneus 127.0.0.1/32 scram-sha-256",
    ]


@pytest.mark.parametrize("root", ["/srv/a,b", "/srv/it's", "/srv/two words", "/srv/" + "x" * 80])
def test_a_path_that_is_no_good_for_a_socket_leaves_the_port(root: str) -> None:
    assert settings_of(this_machine(), Path(root))["unix_socket_directories"] == ""


def test_the_longest_path_of_a_socket_is_one_that_systems_take(tmp_path: Path) -> None:
    for length in range(90):
        folder = ClusterFolder(Path("/" + "x" * length)).sockets
        with socket.socket(socket.AF_UNIX) as probe:
            if folder is not None:
                # Neither too long nor there.
                with pytest.raises(FileNotFoundError):
                    probe.connect(f"{folder}/.s.PGSQL.65535")
    assert folder is None


def test_paths_with_quotes_and_backslashes_are_quoted() -> None:
    settings = settings_of(Machine(GIB, GIB), Path("/srv/it's a\\b"))
    assert settings["log_directory"] == "/srv/it''s a\\\\b/log"


def test_an_administrators_settings_come_last(tmp_path: Path) -> None:
    folder = ClusterFolder(tmp_path)
    assert "include" not in configuration(folder, 1, Machine(GIB, GIB))
    folder.local_configuration.touch()
    lines = configuration(folder, 1, Machine(GIB, GIB)).splitlines()
    assert lines[-1] == "include = 'local.conf'"
