"""Small parts of the embedded server: errors, waiting, locks and files."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from stat import S_IMODE

import pytest

from service.postgres.errors import FolderError, StartError, explained, tells_of_full_disk
from service.postgres.folder import write_file
from service.postgres.lock import SharedLock, exclusive
from service.postgres.postmaster import find_postmaster
from service.postgres.waiting import wait_until


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "free some space"), (errno.EACCES, "run as"), (errno.ENOLCK, "local disk")],
)
def test_refusals_of_the_system_say_how_to_mend_them(number: int, remedy: str) -> None:
    with pytest.raises(FolderError, match=rf"/state/x: .*{remedy}"), explained(Path("/state")):
        raise OSError(number, os.strerror(number), "/state/x")


@pytest.mark.parametrize(
    ("output", "full"),
    [
        ("FATAL:  could not write lock file: No space left on device", True),
        ("FATAL:  could not extend file\nHINT:  Check free disk space.", True),
        ("FATAL:  could not bind IPv4 address", False),
    ],
)
def test_postgresqls_words_for_a_full_disk_are_known(output: str, full: bool) -> None:
    assert tells_of_full_disk(output) is full


def test_waiting_ends_with_the_condition_the_deadline_or_an_objection() -> None:
    answers = iter([False, False, True])
    assert wait_until(lambda: next(answers), 60)
    assert not wait_until(lambda: False, 0)

    def object_to(_waited_s: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wait_until(lambda: False, 60, object_to)


def test_the_exclusive_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with exclusive(path, 0), pytest.raises(StartError, match=str(path)), exclusive(path, 0):
        pass
    with exclusive(path, 0):
        assert S_IMODE(path.stat().st_mode) == 0o600


def test_only_the_last_of_those_who_share_a_lock_is_the_last(tmp_path: Path) -> None:
    one, two = SharedLock(tmp_path / "lock"), SharedLock(tmp_path / "lock")
    assert not one.is_last()
    one.close()
    assert two.is_last()
    two.close()


def test_programs_do_not_inherit_a_lock(tmp_path: Path) -> None:
    one = SharedLock(tmp_path / "lock")
    child = subprocess.Popen(
        [sys.executable, "-c", "print('up', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        close_fds=False,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"up\n"
    one.close()
    two = SharedLock(tmp_path / "lock")
    assert two.is_last()
    two.close()
    child.communicate(b"\n")


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("old")
    path.chmod(0o644)
    write_file(path, "new")
    assert path.read_text() == "new"
    assert S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["password"]


@pytest.mark.parametrize(
    "text", ["", "garbage", f"{os.getpid()}\n/elsewhere\n1\n20000\n\n127.0.0.1\n1 1\nready   \n"]
)
def test_a_pid_file_proves_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "postmaster.pid").write_text(text)
    assert find_postmaster(tmp_path) is None
