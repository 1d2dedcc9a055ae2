"""Precuneus as a receiver: the node and its database, as `precuneus serve` runs them.

Neither worker nor API runs: nothing is embedded while receiving is measured.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from benchmarks.installation import installed
from benchmarks.receive.receiver import Receiver

_REGISTERED = "SELECT count(*) FROM instance JOIN embedding_job USING (instance_id)"


@contextmanager
def precuneus(folder: Path) -> Iterator[Receiver]:
    """Our node on a fresh state folder with an embedded database."""
    with installed(folder) as installation, installation.running("node", "serve") as node:

        def stored() -> int:
            with installation.engine.connect() as connection:
                return int(connection.execute(text(_REGISTERED)).scalar_one())

        dicom = installation.settings.dicom
        receiver = Receiver(
            name="Precuneus",
            ae_title=dicom.ae_title,
            port=dicom.port,
            synced=True,
            durable="file and commit synced before each answer",
            registers="PostgreSQL",
            roots={"node": node.pid, "database": installation.postmaster},
            stored=stored,
        )
        node.await_ready(receiver.answers)
        yield receiver
