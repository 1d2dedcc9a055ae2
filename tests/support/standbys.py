"""Two embedded servers in streaming replication: a primary with a gallery, and its standby."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from service.db.migrate import upgrade
from service.postgres import Cluster
from service.postgres.account import server_account
from service.postgres.binaries import find_binaries
from service.postgres.configuration import DATABASE, ROLE, access_rules
from service.postgres.folder import ClusterFolder
from tests.support.waiting import eventually

# Replaying is paused and resumed by the tests.
_GRANTS = (
    f"ALTER ROLE {ROLE} REPLICATION",
    f"GRANT EXECUTE ON FUNCTION pg_wal_replay_pause() TO {ROLE}",
    f"GRANT EXECUTE ON FUNCTION pg_wal_replay_resume() TO {ROLE}",
)
_ACCESS = access_rules() + access_rules().replace(" all ", " replication ")


@dataclass(frozen=True, repr=False)
class Pair:
    """A running primary and its standby."""

    primary: Engine
    standby: Engine
    standby_cluster: Cluster

    def caught_up(self) -> None:
        """Wait until the standby knows all that the primary has written."""
        with self.primary.connect() as connection:
            position = connection.scalar(text("SELECT pg_current_wal_lsn()"))

        def is_there() -> bool:
            reached = text("SELECT pg_last_wal_replay_lsn() >= CAST(:position AS pg_lsn)")
            with self.standby.connect() as connection:
                return bool(connection.scalar(reached, {"position": position}))

        eventually(is_there, "the standby has caught up")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The standby learns nothing new for the time of this context."""
        self.caught_up()
        self._call("pg_wal_replay_pause()")
        eventually(self._is_paused, "replaying is paused")
        try:
            yield
        finally:
            self._call("pg_wal_replay_resume()")

    def _is_paused(self) -> bool:
        with self.standby.connect() as connection:
            return connection.scalar(text("SELECT pg_get_wal_replay_pause_state()")) == "paused"

    def _call(self, function: str) -> None:
        with self.standby.connect() as connection:
            connection.execute(text(f"SELECT {function}"))


@contextmanager
def replicating(folder: Path) -> Iterator[Pair]:
    """A migrated primary and its standby below `folder`, which every account may pass."""
    primary, standby = Cluster(folder / "primary"), Cluster(folder / "standby")
    try:
        with primary.running() as url:
            engine = create_engine(url)
            upgrade(engine)
            engine.dispose()
        _allow_replication(ClusterFolder(primary.data_dir.parent))
        with primary.running() as primary_url:
            # Copied while it rests, below, the files are a whole base backup.
            dsn = primary.dsn()
            primary.stop()
            _copy(folder, dsn)
            primary.ensure_running()
            with standby.running() as standby_url:
                engines = create_engine(primary_url), create_engine(standby_url)
                yield Pair(*engines, standby)
                for engine in engines:
                    engine.dispose()
    finally:
        standby.remove()
        primary.remove()


def _allow_replication(folder: ClusterFolder) -> None:
    """Let the gallery's role copy the log, by an administrator's settings."""
    account = server_account()
    binaries = find_binaries(account, folder.runtime)
    done = account.run(
        [binaries.program("postgres"), "--single", "-c", "exit_on_error=on", DATABASE],
        text="".join(f"{statement}\n" for statement in _GRANTS),
        env={"PGDATA": str(folder.data)},
    )
    assert done.returncode == 0, done.stderr
    access = folder.log / "access.conf"
    _write(access, _ACCESS)
    _write(folder.local_configuration, f"hba_file = '{access}'\n")


def _copy(folder: Path, dsn: str) -> None:
    shutil.copytree(folder / "primary", folder / "standby", symlinks=True)
    for path in (folder / "primary").rglob("*"):
        twin = folder / "standby" / path.relative_to(folder / "primary")
        os.chown(twin, path.stat().st_uid, path.stat().st_gid)
    copied = ClusterFolder(folder / "standby" / "postgres")
    (folder / "standby").chmod((folder / "primary").stat().st_mode)
    _write(copied.local_configuration, f"primary_conninfo = '{dsn}'\n")
    _write(copied.data / "standby.signal", "")


def _write(path: Path, content: str) -> None:
    """A file that the server's account may read."""
    path.write_text(content)
    os.chown(path, server_account().uid, server_account().gid)
