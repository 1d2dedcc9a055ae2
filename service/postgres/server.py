"""Starting the server, whatever the last one left behind.

Only the holder of the start lock may call this. The server outlives its caller: it is no child of
the caller's, has no terminal or pipe of his, and is in no process group of his.
"""

import os
import random
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from service.postgres.account import Account
from service.postgres.binaries import accepts_connections, find_binaries
from service.postgres.bootstrap import prepare_data
from service.postgres.configuration import HOST, access_rules, configuration
from service.postgres.errors import FolderError, StartError, tells_of_full_disk
from service.postgres.folder import ClusterFolder, write_file
from service.postgres.postmaster import clear_remains, find_postmaster
from service.postgres.waiting import Progress, wait_until
from service.tuning.machine import this_machine

# Below the range that Linux and macOS take ports for outgoing connections from, so that the port is
# still free when the server comes back.
_PORTS = range(20000, 32000)
_PORT_TAKEN = "could not bind"
_START_ATTEMPTS = 3
_LOG_TAIL_LINES = 12


@dataclass(frozen=True)
class Server:
    """The server of one folder, run by one account."""

    folder: ClusterFolder
    account: Account

    def start(self, timeout_s: float, progress: Progress | None = None) -> None:
        """Return once the server accepts connections; one that lives is waited for.

        Raises:
            PostgresError: it does not start, or not within `timeout_s`; then it goes on recovering.
            OSError: a file cannot be written.
        """
        stopping = find_postmaster(self.folder.data)
        if stopping is not None and stopping.status == "stopping":
            wait_until(lambda: find_postmaster(self.folder.data) is None, timeout_s, progress)
        if find_postmaster(self.folder.data) is not None:
            self._await_ready(None, timeout_s, progress)
            return
        for attempt in range(1, _START_ATTEMPTS + 1):
            process = self._launch(anew=attempt > 1)
            try:
                self._await_ready(process, timeout_s, progress)
            except StartError as error:
                # Somebody was faster; the end of the log, which the error quotes, says so.
                if attempt == _START_ATTEMPTS or _PORT_TAKEN not in str(error):
                    raise
            else:
                return
            finally:
                # pg_ctl only waits; the server does not need it.
                process.kill()
                process.wait()

    def _launch(self, *, anew: bool) -> subprocess.Popen[bytes]:
        """Start pg_ctl, which detaches the server; `anew`: on another port than last time."""
        binaries = find_binaries(self.account, self.folder.runtime)
        clear_remains(self.folder.data)
        self._clear_sockets()
        prepare_data(self.folder, self.account, binaries)
        port = _free_port(None if anew else self.folder.port)
        write_file(self.folder.port, f"{port}\n")
        text = configuration(self.folder, port, this_machine())
        write_file(self.folder.configuration, text, readable_by=self.account)
        write_file(self.folder.access, access_rules(), readable_by=self.account)
        self.folder.start_log.unlink(missing_ok=True)
        # Relative names and PGDATA: pg_ctl hands its arguments to a shell.
        arguments = ["-s", "-w", "-t", "86400", "-l", "log/start.log"]
        options = ["-o", "-c config_file=postgresql.conf"]
        return self.account.launch(
            [binaries.program("pg_ctl"), "start", *arguments, *options],
            folder=self.folder.root,
            env={"PGDATA": str(self.folder.data)},
        )

    def _clear_sockets(self) -> None:
        """Leave an empty folder: a dead server's lock would be taken for one of a living one.

        As with its pid file, where a stranger has the number of its process.
        """
        folder = self.folder.root / "sockets"
        if folder.exists():
            shutil.rmtree(folder)
        if self.folder.sockets is not None:
            folder.mkdir(mode=0o700)
            if self.account.separate:
                os.chown(folder, self.account.uid, self.account.gid)

    def _await_ready(
        self, process: subprocess.Popen[bytes] | None, timeout_s: float, progress: Progress | None
    ) -> None:
        def settled() -> bool:
            postmaster = find_postmaster(self.folder.data)
            if postmaster is None:
                return process is None or process.poll() is not None
            return postmaster.is_up and accepts_connections(postmaster.port)

        in_time = wait_until(settled, timeout_s, progress)
        if not in_time:
            raise StartError(
                f"The database has not been ready for {timeout_s:.0f} s, and goes on: after a "
                "crash it replays what was written last. Try again in a few minutes; its log is "
                f"in {self.folder.log}."
            )
        if find_postmaster(self.folder.data) is None:
            self._explain_failure()

    def _explain_failure(self) -> None:
        tail = "\n".join(
            _tail(path) for path in sorted(self.folder.log.glob("*.log"), key=_modified)[-2:]
        )
        if tells_of_full_disk(tail):
            raise FolderError(
                f"The disk of {self.folder.data} is full; free some space and try again."
            )
        raise StartError(f"PostgreSQL did not start. The end of its log:\n{tail}")


def _free_port(last: Path | None) -> int:
    """The last port if it is still free, for others may still know it; else another."""
    known = last.read_text().strip() if last is not None and last.is_file() else ""
    ports = [int(known)] if known.isdigit() else []
    for port in [*ports, *random.sample(_PORTS, 100)]:
        if _is_free(port):
            return port
    raise StartError(f"No free port for the database on {HOST} among a hundred tried.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As PostgreSQL does: connections of the last server that linger do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError:
            return False
    return True


def _modified(path: Path) -> float:
    return path.lstat().st_mtime


def _tail(path: Path) -> str:
    """The last lines of a log; never through a link that the server's account might have set."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return ""
    with os.fdopen(descriptor, errors="replace") as file:
        return "".join(file.readlines()[-_LOG_TAIL_LINES:])
