"""The programs to compare with, as the system has them installed."""

import shutil
import subprocess

from benchmarks.errors import PeerMissing

NO_DELAY = {"TCP_NODELAY": "1"}
"""Debian's dcmtk and Orthanc leave Nagle's algorithm on unless this variable says otherwise."""


def find(program: str) -> str:
    """The path of a program.

    Raises:
        PeerMissing: it is not installed.
    """
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise PeerMissing(f"{program} is not installed")
    return found


def version(program: str) -> str | None:
    """What a program says about its version, in one line; None if it is not installed."""
    try:
        said = subprocess.run(
            (find(program), "--version"), capture_output=True, timeout=20, check=False
        )
    except PeerMissing:
        return None
    return said.stdout.decode(errors="replace").partition("\n")[0].strip("$ ")
