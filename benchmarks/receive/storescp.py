"""dcmtk's storescp as a receiver: it writes files, and neither syncs nor registers them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.children import free_port, running
from benchmarks.peers import NO_DELAY, find
from benchmarks.receive.receiver import Receiver

FORK = ("--fork",)
"""A process for each association; datasets are parsed and written anew."""

BYTES = ("+B", "--max-pdu", "131072")
"""Datasets go to the file as they come; one association at a time, the others wait."""


@contextmanager
def storescp(folder: Path, *options: str) -> Iterator[Receiver]:
    """storescp with some options, in a folder of its own."""
    program, received, port = find("storescp"), folder / "received", free_port()
    received.mkdir(parents=True)

    argv = (program, *options, "--output-directory", str(received), str(port))
    with running(argv, folder / "log", env=NO_DELAY) as process:
        receiver = Receiver(
            name=f"storescp {' '.join(options)}",
            ae_title="STORESCP",
            port=port,
            synced=False,
            durable="no: never synced",
            registers="no",
            roots={"server": process.pid},
            stored=lambda: sum(1 for _ in received.iterdir()),
        )
        process.await_ready(receiver.answers)
        yield receiver
