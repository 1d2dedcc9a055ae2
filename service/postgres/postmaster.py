"""The running server's main process, found by its pid file and by the folder it works in.

A pid file alone proves nothing: its process may be dead, a zombie, or (after a reboot) a stranger
with the same number, which PostgreSQL itself would take for a live server and which must not be
signalled. A postmaster has its data folder as working directory; a stranger has not.
"""

import signal
from dataclasses import dataclass
from pathlib import Path

import psutil

from service.postgres.binaries import accepts_connections
from service.postgres.errors import StartError
from service.postgres.waiting import wait_until

_RECOVERY_S = 5.0
_FAST_STOP_S = 60.0
_KILL_S = 10.0
_ORPHANS_END_S = 1.0
_LINES = 8


@dataclass(frozen=True)
class Postmaster:
    """A living main process; `status` is starting, ready, stopping or standby.

    It stays `ready` while the server recovers from the crash of one session.
    """

    process: psutil.Process
    status: str
    port: int

    @property
    def is_up(self) -> bool:
        """Whether it has started; a standby never says `ready`."""
        return self.status in ("ready", "standby")


def find_postmaster(data: Path) -> Postmaster | None:
    """The living main process of a data folder, or None."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if not lines or not lines[0].strip().isdigit():
        return None
    try:
        process = psutil.Process(int(lines[0]))
    except psutil.NoSuchProcess:
        return None
    if not _works_in(process, data):
        return None
    if len(lines) < _LINES:
        return Postmaster(process, "starting", 0)
    return Postmaster(process, lines[7].strip(), int(lines[3]))


def stop_postmaster(data: Path) -> None:
    """Stop the server in fast mode: sessions are ended, what is committed stays, all is flushed.

    Raises:
        StartError: it does not end, not even by SIGKILL.
    """
    postmaster = find_postmaster(data)
    if postmaster is not None and postmaster.status == "ready":
        # While it recovers from the crash of a session it would take note of SIGINT and not end.
        port = postmaster.port
        wait_until(lambda: accepts_connections(port), _RECOVERY_S)
    for number, patience_s in (
        (signal.SIGINT, _FAST_STOP_S),
        (signal.SIGQUIT, _KILL_S),
        (signal.SIGKILL, _KILL_S),
    ):
        postmaster = find_postmaster(data)
        if postmaster is None:
            break
        _send(postmaster.process, number)
        if _wait_for_end([postmaster.process], data, patience_s):
            break
    else:
        raise StartError(f"The database server of {data} does not end; restart the machine.")
    end_orphans(data)


def clear_remains(data: Path) -> None:
    """Make way for a new server after one that died; there is none alive, and none being started.

    Its sessions see the death and end by themselves, but not while they compute; until they have
    ended no new server may touch the data.

    Raises:
        StartError: a session does not end, not even by SIGKILL.
    """
    end_orphans(data)
    (data / "postmaster.pid").unlink(missing_ok=True)


def end_orphans(data: Path) -> None:
    """See that no process of a dead server is left."""
    orphans = [process for process in psutil.process_iter() if _is_postgres(process, data)]
    if _wait_for_end(orphans, data, _ORPHANS_END_S):
        return
    for process in orphans:
        _send(process, signal.SIGKILL)
    if not _wait_for_end(orphans, data, _KILL_S):
        raise StartError(
            f"Processes of an earlier database server still hold {data} and do not end: restart "
            "the machine."
        )


def _wait_for_end(processes: list[psutil.Process], data: Path, timeout_s: float) -> bool:
    return wait_until(lambda: not any(_works_in(p, data) for p in processes), timeout_s)


def _is_postgres(process: psutil.Process, data: Path) -> bool:
    try:
        return process.name() == "postgres" and _works_in(process, data)
    except (psutil.Error, FileNotFoundError):
        return False


def _works_in(process: psutil.Process, data: Path) -> bool:
    """Whether a process lives and has `data` as working directory; a dying one has none."""
    try:
        return process.is_running() and Path(process.cwd()) == data
    except (psutil.Error, FileNotFoundError):
        # Ended meanwhile, or another user's, whose folder we may not know: not our server.
        return False


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
