"""The programs to compare with, as the system has them installed."""

import re
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
    """The version that a program names first; None if it is not installed."""
    try:
        said = subprocess.run(
            (find(program), "--version"), capture_output=True, timeout=20, check=False
        )
    except PeerMissing:
        return None
    named = re.search(r"\d+(\.\d+)+", said.stdout.decode(errors="replace"))
    return named.group() if named else "unknown"
