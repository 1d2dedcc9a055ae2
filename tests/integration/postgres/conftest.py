"""Clusters in folders of their own, removed with all their processes when a test ends."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from service.postgres import Cluster

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A state folder that is yet to be made, below a folder that its owner alone may enter."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    return private / "state"


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A folder through which every account may pass."""
    folder = Path(tempfile.mkdtemp(prefix="precuneus-test-")).resolve()
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def make_cluster() -> Iterator[Callable[..., Cluster]]:
    made: list[Cluster] = []

    def make(state_dir: Path, **options: Any) -> Cluster:
        made.append(Cluster(state_dir, **options))
        return made[-1]

    yield make
    for cluster in made:
        cluster.remove()


@pytest.fixture
def cluster(make_cluster: Callable[..., Cluster], state_dir: Path) -> Cluster:
    return make_cluster(state_dir)


@pytest.fixture(scope="module")
def idle_state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of `idle_cluster`."""
    return tmp_path_factory.mktemp("idle") / "state"


@pytest.fixture(scope="module")
def idle_cluster(idle_state_dir: Path) -> Iterator[Cluster]:
    """One cluster, made but not running, for all tests of a module that leave it as it was."""
    cluster = Cluster(idle_state_dir)
    with cluster.running():
        pass
    yield cluster
    cluster.remove()


@pytest.fixture(scope="module")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One running cluster for all tests of a module."""
    cluster = Cluster(tmp_path_factory.mktemp("running") / "state")
    with cluster.running():
        yield cluster
    cluster.remove()


@pytest.fixture
def query() -> Callable[..., list[tuple[Any, ...]]]:
    """Runs one statement in a connection of its own and returns its rows."""

    def run(cluster: Cluster, sql: str) -> list[tuple[Any, ...]]:
        with (
            closing(psycopg2.connect(cluster.dsn())) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture
def program() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python code as a process that speaks by lines; whatever is left is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            **options,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether a condition comes true before the test's patience ends."""
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[[Callable[[], bool]], bool]:
    return eventually


@pytest.fixture
def root_only() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root runs the server under another account")
