"""dcmtk's programs as the peers of a node, and what they were told."""

import os
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.service import AE_TITLE, echoes, free_port
from tests.support.waiting import PATIENCE_S, eventually

SUCCESS = 0x0000
_EACH_FILE_AS_IT_IS = ("-nh", "-dn", "+sd", "+r")
_ENTRY = re.compile(
    r"Filename +: (?P<path>.+)\nSOP Instance +: (?P<uid>.*)\n(?:.+\n)*?"
    r"DIMSE Status +: (?P<status>.+)"
)


@dataclass(frozen=True)
class Sent:
    """One file of a push; `status` is None where the peer was never asked."""

    path: Path
    sop_instance_uid: str
    status: int | None


@dataclass(frozen=True)
class Push:
    """How a run of dcmsend ended."""

    returncode: int
    output: str
    sent: tuple[Sent, ...]

    @property
    def statuses(self) -> set[int | None]:
        """All that was answered."""
        return {sent.status for sent in self.sent}


def _environment() -> dict[str, str]:
    # Debian's dcmtk leaves Nagle's algorithm on, which only costs time.
    return {**os.environ, "TCP_NODELAY": "1"}


def dcmsend(
    port: int,
    *paths: Path,
    report: Path,
    options: Iterable[str] = _EACH_FILE_AS_IT_IS,
    called: str = AE_TITLE,
) -> Push:
    """Push files or folders; the answers are read from the report that dcmsend writes."""
    report.unlink(missing_ok=True)
    command = ["dcmsend", "-v", "-aec", called, *options, "+crf", str(report)]
    done = subprocess.run(
        [*command, "127.0.0.1", str(port), *map(str, paths)],
        env=_environment(),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=PATIENCE_S,
    )
    text = report.read_text(errors="replace") if report.exists() else ""
    return Push(
        done.returncode, done.stdout + done.stderr, tuple(map(_sent, _ENTRY.finditer(text)))
    )


def _sent(entry: re.Match[str]) -> Sent:
    status = entry["status"]
    number = int(status[:6], 16) if status.startswith("0x") else None
    return Sent(Path(entry["path"]), entry["uid"].strip(), number)


def storescu(port: int, files: Iterable[Path], acknowledge: Callable[[Path], None]) -> None:
    """Push files on one association; `acknowledge` is told of each success as it arrives."""
    command = ["storescu", "-v", "-aec", AE_TITLE, "127.0.0.1", str(port), *map(str, files)]
    sending: Path | None = None
    with subprocess.Popen(
        command,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Sending file:" in line:
                sending = Path(line.split("Sending file:")[1].strip())
            elif "Received Store Response (Success)" in line:
                assert sending is not None
                acknowledge(sending)


def echoscu(port: int, called: str = AE_TITLE) -> "subprocess.CompletedProcess[str]":
    """Ask for a sign of life."""
    return subprocess.run(
        ["echoscu", "-v", "-aec", called, "127.0.0.1", str(port)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


@contextmanager
def storescp(folder: Path) -> Iterator[int]:
    """dcmtk's receiver, which writes what comes, byte for byte; yields its port."""
    port = free_port()
    folder.mkdir()
    keep_all = ("+B", "+xa", "+uf", "-pm")
    process = subprocess.Popen(
        ["storescp", *keep_all, "-aet", AE_TITLE, "-od", str(folder), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: echoes(port), "storescp listens")
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def dataset_bytes(path: Path) -> bytes:
    """The dataset of a DICOM file: what follows the group 0002, whose length stands in it."""
    data = path.read_bytes()
    assert data[128:136] == b"DICM\x02\0\0\0"
    return data[144 + int.from_bytes(data[140:144], "little") :]
