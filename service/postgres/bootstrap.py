"""A new data folder: initdb, the gallery's role and database, and the pgvector extension.

All of it happens without a listening server, in PostgreSQL's single-user mode, and the folder
takes its name when it is complete. The superuser has no password, so nobody can log in as him:
maintenance is done in single-user mode too, by whoever may become the server's account.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from service.postgres.account import Account
from service.postgres.binaries import Binaries
from service.postgres.configuration import DATABASE, ROLE, ROLE_SETTINGS
from service.postgres.errors import FolderError, tells_of_full_disk
from service.postgres.folder import ClusterFolder, sync_folder, write_file

_SUPERUSER = "postgres"


def prepare_data(folder: ClusterFolder, account: Account, binaries: Binaries) -> None:
    """Make the data folder when there is none; else check that `binaries` can serve it.

    Raises:
        FolderError: it is of another major version, its password is lost, or making it failed.
        OSError: a file cannot be written.
    """
    if not folder.data.is_dir():
        _make(folder, account, binaries)
        return
    version_file = folder.data / "PG_VERSION"
    major = version_file.read_text().strip() if version_file.is_file() else "an unknown release"
    if major != binaries.major:
        raise FolderError(
            f"{folder.data} was made by PostgreSQL {major}, installed is {binaries.version}: "
            f"install the release of Precuneus that made it, save the gallery with pg_dump, "
            f"and restore it with pg_restore into a new state folder."
        )
    if not folder.password.is_file():
        raise FolderError(
            f"{folder.password} is missing: restore it from the backup that has the data folder."
        )
    if not folder.build.is_file() or folder.build.read_text().strip() != binaries.build:
        for database in ("template1", DATABASE):
            _single_user(
                account, binaries, folder.data, database, ["ALTER EXTENSION vector UPDATE"]
            )
        write_file(folder.build, f"{binaries.build}\n")


def _make(folder: ClusterFolder, account: Account, binaries: Binaries) -> None:
    for remains in folder.root.glob("data.new-*"):
        # Of one that was killed; its programs may still be writing there.
        shutil.rmtree(remains, ignore_errors=True)
    unfinished = Path(tempfile.mkdtemp(prefix="data.new-", dir=folder.root))
    if account.separate:
        os.chown(unfinished, account.uid, account.gid)
    try:
        _fill(folder, account, binaries, unfinished)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    unfinished.rename(folder.data)
    sync_folder(folder.root)


def _fill(folder: ClusterFolder, account: Account, binaries: Binaries, unfinished: Path) -> None:
    password = secrets.token_urlsafe(32)
    write_file(folder.password, password)
    _initdb(account, binaries, unfinished)
    settings = [
        f"ALTER ROLE {ROLE} SET {name} = '{value}'" for name, value in ROLE_SETTINGS.items()
    ]
    statements = [
        # In the template: pgvector may be created by the superuser alone, and a restored backup
        # or a test database, made by the role, needs it.
        "CREATE EXTENSION vector",
        f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{password}'",
        *settings,
        f"CREATE DATABASE {DATABASE} OWNER {ROLE}",
    ]
    _single_user(account, binaries, unfinished, "template1", statements)
    _run(account, binaries, unfinished, ["initdb", "--sync-only"])
    write_file(folder.build, f"{binaries.build}\n")


def _initdb(account: Account, binaries: Binaries, data: Path) -> None:
    """The locale is PostgreSQL's own, so that no upgrade of the system can disturb an index."""
    options = [
        f"--username={_SUPERUSER}",
        "--auth=reject",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        "--data-checksums",
        # Synced once, when it is complete.
        "--no-sync",
    ]
    _run(account, binaries, data, ["initdb", *options])


def _single_user(
    account: Account, binaries: Binaries, data: Path, database: str, statements: Sequence[str]
) -> None:
    options = ["-c", "exit_on_error=on", "-c", "log_min_error_statement=panic"]
    text = "".join(f"{statement}\n" for statement in statements)
    _run(account, binaries, data, ["postgres", "--single", *options, database], text)


def _run(
    account: Account, binaries: Binaries, data: Path, command: Sequence[str], text: str = ""
) -> None:
    """Run one of PostgreSQL's programs on `data`, by PGDATA."""
    name, *arguments = command
    done = account.run([binaries.program(name), *arguments], text=text, env={"PGDATA": str(data)})
    if done.returncode == 0:
        return
    output = f"{done.stdout}\n{done.stderr}".strip()
    if tells_of_full_disk(output):
        raise FolderError(f"The disk of {data} is full; free some space and try again.")
    raise FolderError(
        f"The database in {data} cannot be made ready: {name} ended with {done.returncode}:\n"
        f"{output[-2000:]}"
    )
