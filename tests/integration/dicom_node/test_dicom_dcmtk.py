"""The node against dcmtk's own programs."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from dicom_node.receive import ReceivedObject, Registration
from dicom_node.scu import echo, send
from tests.integration.dicom_node.conftest import RunningNode, without_meta
from tests.unit.dicom_node.samples import compressed, image_dataset, part10

NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
COMPRESSED = (RLELossless, JPEGLSLossless, JPEG2000Lossless)

pytestmark = pytest.mark.skipif(
    shutil.which("dcmsend") is None or shutil.which("storescp") is None,
    reason="dcmtk is not installed",
)


def dcmtk(*command: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TCP_NODELAY": "1"}
    words = [str(word) for word in command]
    return subprocess.run(
        words, check=False, env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """One small image in every kind of transfer syntax, as files."""
    folder = tmp_path / "studies"
    folder.mkdir()
    stored = np.random.default_rng(3).integers(0, 200, (64, 64)).astype(np.uint8)
    for syntax in NATIVE:
        (folder / f"{syntax}.dcm").write_bytes(part10(image_dataset(stored), syntax))
    for syntax in COMPRESSED:
        dataset = compressed(image_dataset(stored), syntax)
        (folder / f"{syntax}.dcm").write_bytes(part10(dataset, syntax))
    return folder


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[Callable[[], tuple[int, Path]]]:
    """dcmtk's receiver, which keeps the bytes as they come (+B)."""
    started = []

    def start() -> tuple[int, Path]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        folder = tmp_path / "storescp"
        folder.mkdir()
        command = ["storescp", "+B", "+xa", "-aet", "PRECUNEUS", "-od", str(folder), str(port)]
        started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        deadline = time.monotonic() + 30
        while not echo("127.0.0.1", port, "PRECUNEUS", "TEST").succeeded:
            assert time.monotonic() < deadline, "storescp does not start"
            time.sleep(0.05)
        return port, folder

    yield start
    for process in started:
        process.terminate()
        process.wait()


def test_echo(running: RunningNode) -> None:
    answer = dcmtk("echoscu", "-v", "-aec", "PRECUNEUS", "127.0.0.1", running.port)
    assert answer.returncode == 0
    assert "Received Echo Response (Success)" in answer.stderr + answer.stdout


def test_echo_to_another_title_is_rejected(running: RunningNode) -> None:
    answer = dcmtk("echoscu", "-aec", "ARCHIVE", "127.0.0.1", running.port)
    assert answer.returncode != 0
    assert "Called AE Title Not Recognized" in answer.stderr + answer.stdout


def test_dcmsend_pushes_every_syntax_and_the_bytes_are_those_storescp_keeps(
    running: RunningNode, studies: Path, storescp: Callable[[], tuple[int, Path]]
) -> None:
    port, folder = storescp()
    for target in (running.port, port):
        answer = dcmtk(
            *("dcmsend", "-v", "-aec", "PRECUNEUS", "-nh", "-dn", "+sd", "127.0.0.1"),
            *(target, studies),
        )
        assert answer.returncode == 0, answer.stderr
        assert "with status SUCCESS  : 6" in answer.stderr + answer.stdout
    kept = sorted(without_meta(path) for path in folder.iterdir())
    ours = sorted(without_meta(running.store.path(name)) for name in running.store.names())
    assert ours == kept
    syntaxes = {known.header.transfer_syntax_uid for known in running.gallery.objects}
    # dcmsend offers all native syntaxes in one context, and turns the files into the one taken.
    assert syntaxes == {str(ExplicitVRLittleEndian), *map(str, COMPRESSED)}


@pytest.mark.parametrize(
    ("option", "syntax"),
    [("-xi", ImplicitVRLittleEndian), ("-xb", ExplicitVRBigEndian), ("-xr", RLELossless)],
)
def test_storescu_gets_the_syntax_it_proposes_first(
    running: RunningNode, studies: Path, option: str, syntax: str
) -> None:
    file = studies / f"{syntax}.dcm"
    answer = dcmtk("storescu", option, "-aec", "PRECUNEUS", "127.0.0.1", running.port, file)
    assert answer.returncode == 0, answer.stderr
    assert running.gallery.objects[0].header.transfer_syntax_uid == syntax


def test_several_dcmsends_at_once(running: RunningNode, tmp_path: Path) -> None:
    folders = [tmp_path / f"peer{number}" for number in range(6)]
    for number, folder in enumerate(folders):
        folder.mkdir()
        for image in range(5):
            stored = np.full((32, 32), 10 * number + image, np.uint8)
            (folder / f"{image}.dcm").write_bytes(part10(image_dataset(stored)))
    command = ["dcmsend", "-aec", "PRECUNEUS", "+sd", "127.0.0.1", str(running.port)]
    peers = [subprocess.Popen([*command, str(folder)]) for folder in folders]
    assert [peer.wait(timeout=120) for peer in peers] == [0] * 6
    assert len(running.gallery.objects) == 30


def test_our_own_sender_is_understood_by_storescp(
    studies: Path, storescp: Callable[[], tuple[int, Path]]
) -> None:
    port, folder = storescp()
    paths = sorted(studies.iterdir())
    results = list(send(paths, "127.0.0.1", port, "PRECUNEUS"))
    assert [result.status for result in results] == [0x0000] * 6
    assert sorted(map(without_meta, folder.iterdir())) == sorted(map(without_meta, paths))


def test_a_refusal_is_told_to_dcmsend(
    start_node: Callable[..., RunningNode], studies: Path
) -> None:
    def fail(received: ReceivedObject) -> Registration:
        raise RuntimeError

    running = start_node(register=fail)
    answer = dcmtk(
        *("dcmsend", "-v", "-aec", "PRECUNEUS", "127.0.0.1", running.port),
        *sorted(studies.iterdir()),
    )
    assert "with status ERROR    : 6" in answer.stderr + answer.stdout
