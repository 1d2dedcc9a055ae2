import socket
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import (
    MPEG2MPML,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from dicom_node.contexts import STORAGE_SOP_CLASSES
from dicom_node.errors import AssociationFailed, OutOfResources
from dicom_node.scu import MAX_CONTEXTS, echo, send
from tests.integration.dicom_node.conftest import RunningNode, without_meta
from tests.support.objects import ct_dataset
from tests.unit.dicom_node.samples import compressed, image_dataset, part10


def written(folder: Path, *contents: bytes) -> list[Path]:
    paths = [folder / f"{number:04}.dcm" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_echo_says_yes(running: RunningNode) -> None:
    answer = echo("127.0.0.1", running.port, "PRECUNEUS", "TEST")
    assert (answer.succeeded, answer.reason) == (True, "")


def test_echo_to_another_title_says_what_to_check(running: RunningNode) -> None:
    answer = echo("127.0.0.1", running.port, "ARCHIVE", "TEST")
    assert not answer.succeeded
    assert "its own is not ARCHIVE" in answer.reason


def test_echo_to_nobody_says_so() -> None:
    answer = echo("127.0.0.1", free_port(), "PRECUNEUS", "TEST")
    assert not answer.succeeded
    assert "nothing listens on that port" in answer.reason


def test_each_file_goes_in_its_own_syntax_untouched(running: RunningNode, tmp_path: Path) -> None:
    syntaxes = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
    rle = compressed(image_dataset(np.zeros((8, 8), np.uint8)), RLELossless)
    contents = [part10(ct_dataset(), syntax) for syntax in syntaxes] + [part10(rle, RLELossless)]
    paths = written(tmp_path, *contents)
    results = list(send(paths, "127.0.0.1", running.port, "PRECUNEUS", "DEMO"))
    assert [(result.path, result.status) for result in results] == [(path, 0) for path in paths]
    for result, path in zip(results, paths, strict=True):
        assert running.dataset_of(str(result.sop_instance_uid)) == without_meta(path)
    assert {known.source for known in running.gallery.objects} == {"DEMO"}


def test_more_contexts_than_an_association_has_are_split(
    running: RunningNode, tmp_path: Path
) -> None:
    syntaxes = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, JPEG2000Lossless, MPEG2MPML]
    classes = sorted(STORAGE_SOP_CLASSES)[:40]
    contents = []
    for sop_class_uid in classes:
        dataset = ct_dataset(PixelData=None, SOPClassUID=sop_class_uid)
        contents += [part10(dataset, syntax) for syntax in syntaxes]
    assert len(contents) > MAX_CONTEXTS
    results = list(send(written(tmp_path, *contents), "127.0.0.1", running.port, "PRECUNEUS"))
    assert [result.status for result in results] == [0x0000] * len(contents)


def test_files_that_cannot_be_sent_do_not_stop_the_others(
    running: RunningNode, tmp_path: Path
) -> None:
    private = ct_dataset(SOPClassUID="1.2.3.4")
    paths = written(tmp_path, b"no DICOM", part10(private), part10(ct_dataset()))
    missing = tmp_path / "missing.dcm"
    results = list(send([missing, *paths], "127.0.0.1", running.port, "PRECUNEUS"))
    told = {result.path: (result.status, result.reason) for result in results}
    assert told[missing] == (None, "FileNotFoundError")
    assert told[paths[0]] == (None, "Transfer Syntax UID is missing")
    assert told[paths[1]] == (
        None,
        "the peer does not take this SOP class in this transfer syntax",
    )
    assert told[paths[2]] == (0x0000, "")


def test_a_refusal_comes_with_its_reason(running: RunningNode, tmp_path: Path) -> None:
    running.gallery.failure = OutOfResources("the database does not answer")
    (result,) = send(
        written(tmp_path, part10(ct_dataset())), "127.0.0.1", running.port, "PRECUNEUS"
    )
    assert (result.status, result.reason) == (0xA700, "the database does not answer")


def test_a_peer_that_rejects_us_is_an_error(running: RunningNode, tmp_path: Path) -> None:
    paths = written(tmp_path, part10(ct_dataset()))
    with pytest.raises(AssociationFailed, match="its own is not ARCHIVE"):
        list(send(paths, "127.0.0.1", running.port, "ARCHIVE"))


def test_nothing_to_send_asks_nobody() -> None:
    assert list(send([], "127.0.0.1", free_port(), "PRECUNEUS")) == []
