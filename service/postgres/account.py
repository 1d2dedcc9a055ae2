"""The operating system's account that runs PostgreSQL, which refuses to run as root.

As root that is an unprivileged system account of its own; any other user runs the server as
himself. Programs are started here with a bare environment, so that no PG* variable, no library
path and no terminal of the caller reaches them.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.postgres.errors import AccountError

ACCOUNT_NAME = "precuneus-db"

_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True)
class Account:
    """Who runs the server; `separate` when that is not the caller himself."""

    uid: int
    gid: int
    separate: bool

    @property
    def name(self) -> str:
        """The account's name, or its number where it has none."""
        return name_of(self.uid)

    def run(
        self, argv: Sequence[str | Path], *, text: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end as this account, `text` on its standard input.

        Raises:
            OSError: this account may not execute it.
        """
        return subprocess.run(
            argv,
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            **self._apart(env or {}),
        )

    def launch(
        self, argv: Sequence[str | Path], *, folder: Path, env: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start a program in `folder` as this account, with no pipe or terminal of the caller's."""
        arguments = self._apart(env) | {"cwd": folder}
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **arguments,
        )

    def can_enter(self, folder: Path) -> bool:
        """Whether the account gets into `folder`, found out by trying."""
        return self.run(["/bin/sh", "-c", 'test -x "$1"', "sh", folder]).returncode == 0

    def _apart(self, env: Mapping[str, str]) -> dict[str, Any]:
        """Arguments of Popen that part the program from the caller: session, folder, identity."""
        apart: dict[str, Any] = {
            "env": {**_ENVIRONMENT, **env},
            "cwd": "/",
            "umask": 0o077,
            "start_new_session": True,
        }
        if self.separate:
            apart |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return apart


def caller() -> Account:
    """Whoever runs this process."""
    return Account(os.geteuid(), os.getegid(), separate=False)


def server_account() -> Account:
    """The account to run the server as; made, as a system account, where root has none yet.

    Raises:
        AccountError: it is missing and cannot be made.
    """
    if os.geteuid() != 0:
        return caller()
    try:
        entry = pwd.getpwnam(ACCOUNT_NAME)
    except KeyError:
        _create()
        entry = pwd.getpwnam(ACCOUNT_NAME)
    return Account(entry.pw_uid, entry.pw_gid, separate=True)


def name_of(uid: int) -> str:
    """The name of a user, or the number where the system knows no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _create() -> None:
    by_hand = f"make a system account named {ACCOUNT_NAME} by hand, or run precuneus as a user"
    program = shutil.which("useradd", path=f"{os.defpath}:/usr/sbin:/sbin")
    if program is None:
        raise AccountError(
            f"PostgreSQL does not run as root and useradd is not installed: {by_hand}."
        )
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    done = subprocess.run(
        [program, *options, "--shell", "/usr/sbin/nologin", ACCOUNT_NAME],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        # Another process may have made it meanwhile; then useradd fails and all is well.
        pwd.getpwnam(ACCOUNT_NAME)
    except KeyError:
        raise AccountError(f"useradd failed ({done.stderr.strip()}): {by_hand}.") from None
