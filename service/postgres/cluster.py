"""One embedded database cluster: who uses it, and whether it runs.

The server runs while anybody uses it. Users are counted by a shared file lock, so a user that was
killed no longer counts; starting and stopping take turns by a second lock. A server that a killed
user left running is taken over by the next one, and stopped by the last.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.postgres.account import server_account
from service.postgres.binaries import installed_version
from service.postgres.configuration import DATABASE, HOST, ROLE
from service.postgres.errors import FolderError, PostgresError, StartError, explained
from service.postgres.folder import ClusterFolder, claim_folder, find_folder
from service.postgres.lock import SharedLock, exclusive
from service.postgres.postmaster import find_postmaster, stop_postmaster
from service.postgres.server import Server
from service.postgres.waiting import Progress

# The server proves that it knows the password too: whoever took its port while it was down
# cannot make a client tell it.
_CLIENT = {"sslmode": "disable", "gssencmode": "disable", "require_auth": "scram-sha-256"}


class Cluster:
    """The database cluster of one state folder; any number of objects and processes may share it.

    Every method raises `PostgresError`, whose message says how to mend what is wrong.
    """

    def __init__(self, state_dir: Path, *, start_timeout_s: float = 120.0) -> None:
        """Name the cluster of `state_dir`; nothing is touched yet.

        `start_timeout_s` is how long a start is waited for; recovery from a crash may take long.
        """
        self._state_dir = state_dir.expanduser().resolve()
        self._start_timeout_s = start_timeout_s

    @contextmanager
    def running(self, progress: Progress | None = None) -> Iterator[str]:
        """Use the server: started when it does not run, stopped with its last user.

        Yields the URL of the moment (see `url`). `progress` is told the seconds waited.
        """
        folder = self._claim()
        users = self._join(folder, progress)
        try:
            yield self.url()
        finally:
            self._leave(folder, users)

    def ensure_running(self, progress: Progress | None = None) -> None:
        """Start the server if it has died; return once it accepts connections."""
        folder = self._claim()
        with self._start_lock(folder, progress):
            self._start(folder, progress)

    def is_running(self) -> bool:
        """Whether the server lives and accepts connections; cheap enough to ask every second."""
        with explained(self._state_dir):
            folder = find_folder(self._state_dir)
            postmaster = find_postmaster(folder.data) if folder is not None else None
        return postmaster is not None and postmaster.is_up

    def dsn(self) -> str:
        """The DSN for `psycopg2.connect`, read afresh: the port may change at a restart.

        It holds the password: it belongs in no log and no error message.
        """
        host, port, password = self._credentials()
        options = {"host": host, "port": port, "dbname": DATABASE, "user": ROLE, **_CLIENT}
        return " ".join(f"{key}={value}" for key, value in options.items()) + (
            f" password={password}"
        )

    def url(self) -> str:
        """The same as an SQLAlchemy URL."""
        host, port, password = self._credentials()
        query = "&".join(f"{key}={value}" for key, value in _CLIENT.items())
        at = f"/{DATABASE}?host={host}&port={port}"
        return f"postgresql+psycopg2://{ROLE}:{password}@{at}&{query}"

    def stop(self) -> None:
        """Stop the server whoever uses it; sessions are ended, what is committed stays."""
        folder = self._find()
        if folder is not None:
            with self._start_lock(folder, None), explained(folder.root):
                stop_postmaster(folder.data)

    def remove(self) -> None:
        """Delete the whole cluster, its data too. For demos and tests.

        Raises:
            StartError: somebody uses it.
        """
        folder = self._find()
        if folder is None:
            return
        with self._start_lock(folder, None), explained(folder.root):
            users = SharedLock(folder.users_lock)
            try:
                if not users.is_last():
                    raise StartError(f"The database in {folder.root} is in use; end its users.")
                stop_postmaster(folder.data)
                shutil.rmtree(folder.root)
                (self._state_dir / "postgres" / "location").unlink(missing_ok=True)
            finally:
                users.close()

    def version(self) -> str:
        """The installed release of PostgreSQL, such as 18.6."""
        return installed_version()

    @property
    def data_dir(self) -> Path:
        """PGDATA; before the first start, where it would usually be."""
        return (self._find() or ClusterFolder(self._state_dir / "postgres")).data

    def _claim(self) -> ClusterFolder:
        with explained(self._state_dir):
            return claim_folder(self._state_dir, server_account())

    def _find(self) -> ClusterFolder | None:
        with explained(self._state_dir):
            return find_folder(self._state_dir)

    @contextmanager
    def _start_lock(self, folder: ClusterFolder, progress: Progress | None) -> Iterator[None]:
        lock = folder.start_lock
        with explained(lock), exclusive(lock, self._start_timeout_s, progress):
            yield

    def _start(self, folder: ClusterFolder, progress: Progress | None) -> None:
        with explained(folder.root):
            Server(folder, server_account()).start(self._start_timeout_s, progress)

    def _join(self, folder: ClusterFolder, progress: Progress | None) -> SharedLock:
        with self._start_lock(folder, progress):
            users = SharedLock(folder.users_lock)
            try:
                self._start(folder, progress)
            except BaseException as error:
                # One that is only slow goes on recovering, for the next user to take over.
                if not isinstance(error, PostgresError) and users.is_last():
                    stop_postmaster(folder.data)
                users.close()
                raise
        return users

    def _leave(self, folder: ClusterFolder, users: SharedLock) -> None:
        try:
            with self._start_lock(folder, None):
                if users.is_last():
                    stop_postmaster(folder.data)
        finally:
            users.close()

    def _credentials(self) -> tuple[str, int, str]:
        """Host, port and password; as host the folder of the server's socket, where it has one.

        A round trip by it takes two thirds of the processor's time that one by the port takes.
        """
        with explained(self._state_dir):
            folder = find_folder(self._state_dir)
            if folder is None or not folder.port.is_file():
                raise FolderError(f"The database of {self._state_dir} has never been started.")
            port = int(folder.port.read_text())
            socket = folder.socket(port)
            host = HOST if socket is None else str(socket.parent)
            return host, port, folder.password.read_text().strip()
