"""Files of many makers, where they are at hand: pushed by dcmsend, and imported."""

import csv
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from dicom_node.errors import DicomError, PixelsFailed, PixelsUnsupported
from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from dicom_node.pixels import iter_frames, render
from dicom_node.receive import ReceivedObject, Receiver, Registration
from dicom_node.uids import is_uid
from tests.integration.dicom_node.conftest import RunningNode

INTEROP = Path(__file__).resolve().parents[4] / "shared" / "data" / "interop"

# Images that an import takes (but the first four) and a push by dcmsend does not, and why.
NOT_BY_DCMSEND = {
    # No Study Instance UID.
    "JPEGLSNearLossless_08.dcm",
    "JPEGLSNearLossless_16.dcm",
    "SC_rgb_jls_lossy_line.dcm",
    "SC_rgb_jls_lossy_sample.dcm",
    # Deflated, which is not negotiated.
    "image_dfl.dcm",
    # dcmsend misreads UIDs stored with the VR UN, and sends "31" in the command.
    "explicit_VR-UN.dcm",
    "2021-02-19-MalaterreCP246.dcm",
    # A private SOP class, which is not negotiated.
    "UnknownSopClassUid.dcm",
}

pytestmark = pytest.mark.skipif(
    not (INTEROP / "files.csv").is_file(),
    reason="the interoperability files lie outside the repository and are not here",
)


@dataclass(frozen=True)
class Known:
    """A file as files.csv describes it."""

    path: Path
    expectation: str
    sop_instance_uid: str
    frames: int


def known_files() -> Iterator[Known]:
    with (INTEROP / "files.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            yield Known(
                INTEROP / row["file"],
                row["suggested_expectation"],
                row["sop_uid"],
                int(row["frames"]) if row["frames"].isdigit() else 1,
            )


class KeepAll:
    """Registers every object as new, so that each file is kept and can be decoded."""

    def __init__(self) -> None:
        self.last: ReceivedObject | None = None

    def __call__(self, received: ReceivedObject) -> Registration:
        self.last = received
        return Registration.STORED


def outcome(receiver: Receiver, store: ObjectStore, register: KeepAll, known: Known) -> str:
    """What becomes of a file: "decoded", or the kind of error and its reason."""
    try:
        import_file(receiver, known.path)
        assert register.last is not None
        path = store.path(register.last.file.name)
        for frame in iter_frames(path):
            assert frame.total == known.frames or known.expectation != "decode"
            assert np.isfinite(frame.pixels).any()
            assert render(frame).shape == frame.pixels.shape
    except (PixelsFailed, PixelsUnsupported) as error:
        return f"{type(error).__name__}: {error}"
    except DicomError as error:
        return f"refused: {error}"
    return "decoded"


def test_every_file_is_decoded_or_has_a_reason(tmp_path: Path) -> None:
    store, register = ObjectStore(tmp_path), KeepAll()
    receiver = Receiver(store, register)
    outcomes = {known: outcome(receiver, store, register, known) for known in known_files()}
    assert len(outcomes) > 400
    unmet = {
        str(known.path): told
        for known, told in outcomes.items()
        if known.expectation == "decode" and told != "decoded"
    }
    # The reasons are the files': no UID that could be stored under.
    assert set(unmet.values()) == {
        "refused: Study Instance UID is missing",
        "refused: SOP Instance UID is not a UID (digits and dots, at most 64 characters)",
    }
    assert len(unmet) == 5
    kinds = Counter(told.split(":")[0] for told in outcomes.values())
    assert kinds["PixelsFailed"] <= 6


def test_no_pixels_are_claimed_where_there_are_none(tmp_path: Path) -> None:
    store, register = ObjectStore(tmp_path), KeepAll()
    receiver = Receiver(store, register)
    for known in known_files():
        if "non_image" in known.path.parts or known.path.name.startswith("reportsi"):
            told = outcome(receiver, store, register, known)
            assert told.startswith("PixelsUnsupported: not an image")


@pytest.mark.skipif(shutil.which("dcmsend") is None, reason="dcmtk is not installed")
def test_dcmsend_pushes_every_folder_and_the_node_goes_on(running: RunningNode) -> None:
    for folder in sorted(path for path in INTEROP.iterdir() if path.is_dir()):
        command = ["dcmsend", "-v", "-aec", "PRECUNEUS", "-nh", "-nuc", "-dn", "+sd", "+r", "+f"]
        answer = subprocess.run(
            [*command, "127.0.0.1", str(running.port), str(folder)],
            check=True,
            capture_output=True,
            text=True,
            timeout=280,
        )
        # Whatever is broken is answered; the association never ends over it.
        assert "Peer aborted" not in answer.stderr, folder.name
    arrived = {known.header.sop_instance_uid for known in running.gallery.objects}
    absent = {
        known.path.name
        for known in known_files()
        if known.expectation == "decode"
        and is_uid(known.sop_instance_uid)
        and known.sop_instance_uid not in arrived
    }
    assert absent == NOT_BY_DCMSEND
    assert set(running.counter.statuses) == {0xA900, 0xC000}
