"""dcmtk's image archive as a peer: it answers C-FIND, C-MOVE and C-GET."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.service import AE_TITLE, free_port, listens
from tests.support.waiting import PATIENCE_S, eventually

TITLE = "QRSCP"
_CONFIGURATION = """NetworkTCPPort = {port}
MaxPDUSize = 131072
MaxAssociations = 16
HostTable BEGIN
{hosts}
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
QRSCP {storage} RW (1000, 1024mb) ANY
AETable END
"""


@contextmanager
def running_dcmqrscp(folder: Path, node_port: int | None) -> Iterator[int]:
    """An archive that knows our node, or nobody where its port is None; yields its own port."""
    port, storage = free_port(), folder / "storage"
    storage.mkdir(parents=True)
    known = f"precuneus = ({AE_TITLE}, localhost, {node_port})"
    configuration = folder / "dcmqrscp.cfg"
    configuration.write_text(
        _CONFIGURATION.format(port=port, storage=storage, hosts=known if node_port else "")
    )
    with (folder / "dcmqrscp.log").open("wb") as log:
        process = subprocess.Popen(
            ["dcmqrscp", "-c", str(configuration)], cwd=folder, stdout=log, stderr=log
        )
    try:
        eventually(lambda: listens(port), "dcmqrscp listens")
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
