"""Where a cluster lives, and which of its files is which.

Usually that is `<state folder>/postgres`. A state folder below a directory that the server's
account cannot pass (/root, say) holds a file `location` instead, which names a folder below
/var/lib/precuneus; so the state folder can be moved. The permissions of directories that are not
the cluster's own are never touched.
"""

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from service.postgres.account import Account, name_of
from service.postgres.errors import FolderError
from service.postgres.lock import exclusive

_ELSEWHERE = Path("/var/lib/precuneus")
_CLAIM_TIMEOUT_S = 30.0
# What Linux, with 108, and macOS, with 104, both take, the byte at the end included.
_LONGEST_SOCKET = 103
_PLAIN = re.compile(r"[A-Za-z0-9/._-]+")


@dataclass(frozen=True)
class ClusterFolder:
    """The paths of one cluster."""

    root: Path

    @property
    def data(self) -> Path:
        """PGDATA; it appears whole, or not at all."""
        return self.root / "data"

    @property
    def log(self) -> Path:
        """The folder of the server's rotated logs."""
        return self.root / "log"

    @property
    def start_log(self) -> Path:
        """What the server says before its log begins; anew at each start."""
        return self.log / "start.log"

    @property
    def runtime(self) -> Path:
        """Copies of PostgreSQL's programs."""
        return self.root / "runtime"

    @property
    def configuration(self) -> Path:
        """The configuration, written anew at each start."""
        return self.root / "postgresql.conf"

    @property
    def local_configuration(self) -> Path:
        """An administrator's own settings, if there are any; they have the last word."""
        return self.root / "local.conf"

    @property
    def access(self) -> Path:
        """Who may connect, and how."""
        return self.root / "pg_hba.conf"

    @property
    def password(self) -> Path:
        """The password of the gallery's role."""
        return self.root / "password"

    @property
    def port(self) -> Path:
        """The port of the last start."""
        return self.root / "port"

    @property
    def sockets(self) -> Path | None:
        """Where the server listens beside its port; None where that path is no good for a socket.

        Systems take some hundred bytes, and PostgreSQL's lists of folders have signs of their own.
        """
        folder = self.root / "sockets"
        fits = len(f"{folder}/.s.PGSQL.65535") <= _LONGEST_SOCKET
        return folder if fits and _PLAIN.fullmatch(str(folder)) else None

    def socket(self, port: int) -> Path | None:
        """The socket of the server of this port, or None when it listens at the port alone."""
        path = self.sockets and self.sockets / f".s.PGSQL.{port}"
        return path if path is not None and path.is_socket() else None

    @property
    def build(self) -> Path:
        """The build of PostgreSQL that the extensions in the databases are of."""
        return self.root / "build"

    @property
    def start_lock(self) -> Path:
        """Held by whoever starts or stops the server."""
        return self.root / "start.lock"

    @property
    def users_lock(self) -> Path:
        """Shared by all processes that use the server."""
        return self.root / "users.lock"


def find_folder(state_dir: Path) -> ClusterFolder | None:
    """The cluster of a state folder, or None when none was made yet.

    Raises:
        FolderError: `location` names a folder that is not there.
    """
    here = state_dir / "postgres"
    pointer = here / "location"
    if not pointer.is_file():
        return ClusterFolder(here) if (here / "data").is_dir() else None
    there = Path(pointer.read_text().strip())
    if not there.is_dir():
        raise FolderError(
            f"{pointer} says that the database is in {there}, which is not there: bring that "
            f"folder back, or delete {pointer} to begin with an empty gallery."
        )
    return ClusterFolder(there.resolve())


def claim_folder(state_dir: Path, account: Account) -> ClusterFolder:
    """The cluster's folder, made when missing, where `account` can really reach it.

    Raises:
        FolderError: it belongs to another user, or is not within the account's reach.
        OSError: it cannot be made.
    """
    _make_state_dir(state_dir)
    here = state_dir / "postgres"
    here.mkdir(mode=0o700, exist_ok=True)
    _demand_owner(here, os.geteuid())
    with exclusive(here, _CLAIM_TIMEOUT_S):
        folder = find_folder(state_dir) or ClusterFolder(_choose(here, account))
    if account.separate:
        _let_in(folder.root, account)
        if not account.can_enter(folder.root):
            raise FolderError(
                f"The account {account.name} that runs PostgreSQL can no longer enter "
                f"{folder.root}: let others pass through the directories above (chmod o+x)."
            )
    folder.log.mkdir(mode=0o700, exist_ok=True)
    if account.separate and folder.log.stat().st_uid == os.geteuid():
        os.chown(folder.log, account.uid, account.gid)
    for path in (folder.data, folder.log):
        if path.is_dir():
            _demand_owner(path, account.uid)
    return folder


def write_file(path: Path, text: str, *, readable_by: Account | None = None) -> None:
    """Replace a file at once and durably: 0600, or 0640 with the group of `readable_by`."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            if readable_by is not None and readable_by.separate:
                os.fchown(descriptor, -1, readable_by.gid)
                os.fchmod(descriptor, 0o640)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_state_dir(state_dir: Path) -> None:
    """As root others may pass through (0711), for the server's account must; they see no names."""
    state_dir.parent.mkdir(parents=True, exist_ok=True)
    try:
        state_dir.mkdir(mode=0o700)
    except FileExistsError:
        return
    if os.geteuid() == 0:
        state_dir.chmod(0o711)


def _choose(here: Path, account: Account) -> Path:
    """`here` if the account reaches it; else a new folder elsewhere, named in `here`/location."""
    if not account.separate:
        return here
    _let_in(here, account)
    if account.can_enter(here):
        return here
    os.chown(here, -1, os.getegid())
    here.chmod(0o700)
    if not _ELSEWHERE.is_dir():
        _ELSEWHERE.mkdir(parents=True)
        _ELSEWHERE.chmod(0o711)
    there = Path(tempfile.mkdtemp(dir=_ELSEWHERE))
    _let_in(there, account)
    if not account.can_enter(there):
        there.rmdir()
        raise FolderError(
            f"The account {account.name} that runs PostgreSQL can enter neither {here} nor "
            f"{_ELSEWHERE}: choose a state folder below a directory that others may pass through "
            "(PRECUNEUS_STATE_DIR)."
        )
    write_file(there / "belongs-to", f"{here}\n")
    write_file(here / "location", f"{there}\n")
    return there


def _let_in(folder: Path, account: Account) -> None:
    """Only root writes there and lists names; the account's group may pass."""
    os.chown(folder, -1, account.gid)
    folder.chmod(0o710)


def _demand_owner(path: Path, uid: int) -> None:
    owner = path.stat().st_uid
    if owner != uid:
        raise FolderError(
            f"{path} belongs to {name_of(owner)}, not to {name_of(uid)}: run precuneus as the user "
            f"who made it, or give it back with chown -R {name_of(uid)} {path}."
        )
