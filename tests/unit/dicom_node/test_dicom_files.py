import hashlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_node.errors import CannotUnderstand, OutOfResources
from dicom_node.files import ObjectStore, StoredFile
from dicom_node.meta import PREFIX, encode_meta
from tests.unit.dicom_node.samples import EXPLICIT

REPOSITORY = Path(__file__).parents[3]


def meta(transfer_syntax_uid: str = EXPLICIT, source: str = "SOURCE") -> bytes:
    return encode_meta(
        sop_class_uid="1.2.3",
        sop_instance_uid="1.2.3.4",
        transfer_syntax_uid=transfer_syntax_uid,
        source=source,
    )


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "state")


def unfinished(store: ObjectStore, name: str) -> Path:
    """The file as a crash before its rename leaves it."""
    part = store.path(name).with_suffix(".part")
    store.path(name).rename(part)
    return part


def test_a_file_is_preamble_meta_and_the_peers_bytes(store: ObjectStore) -> None:
    parts: list[bytes | memoryview] = [
        b"one",
        memoryview(bytearray(b"two")),
        memoryview(b"three")[:2],
    ]
    file = store.write(parts, meta())
    assert store.path(file.name).read_bytes() == PREFIX + meta() + b"onetwoth"
    assert file.size == store.path(file.name).stat().st_size
    assert file.sha256 == hashlib.sha256(EXPLICIT.encode() + b"onetwoth").digest()


def test_names_are_ours_and_private(store: ObjectStore, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        file = ObjectStore(tmp_path / "open").write([b"x"], meta())
    finally:
        os.umask(old)
    bucket, name = file.name.split("/")
    assert name.startswith(bucket)
    assert name.endswith(".dcm")
    assert len(name) == 36
    objects = tmp_path / "open" / "objects"
    assert (objects / file.name).stat().st_mode & 0o777 == 0o600
    assert objects.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "open" / "quarantine").stat().st_mode & 0o777 == 0o700
    assert len(list(objects.iterdir())) == 256


def test_a_forked_process_takes_nobodys_name(tmp_path: Path) -> None:
    forking = """
        import os, sys
        from pathlib import Path
        from dicom_node.files import ObjectStore
        from tests.unit.dicom_node.test_dicom_files import meta
        store = ObjectStore(Path(sys.argv[1]))
        child = os.fork()
        store.write([b"x"], meta())
        if child:
            os.waitpid(child, 0)
    """
    script = [sys.executable, "-c", textwrap.dedent(forking), str(tmp_path)]
    subprocess.run(script, cwd=REPOSITORY, check=True)
    assert len(list(ObjectStore(tmp_path).names())) == 2


def test_folders_that_others_may_enter_are_closed(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir(mode=0o755)
    ObjectStore(tmp_path)
    assert (tmp_path / "objects").stat().st_mode & 0o777 == 0o700


def test_the_hash_is_over_syntax_and_dataset_only(store: ObjectStore) -> None:
    file = store.write([b"data", b"set"], meta(source="A"))
    assert store.write([b"dataset"], meta(source="B")).sha256 == file.sha256
    assert store.write([b"dataset"], meta("1.2.840.10008.1.2")).sha256 != file.sha256


def test_a_stored_file_is_described_anew(store: ObjectStore) -> None:
    file = store.write([b"dataset" * 300_000], meta(source="SCANNER1"))
    assert store.describe(file.name) == (file, "SCANNER1")


def test_names_lists_complete_files_only(store: ObjectStore) -> None:
    files = {store.write([bytes([number])], meta()).name for number in range(5)}
    gone = files.pop()
    unfinished(store, gone)
    assert set(store.names()) == files


def test_removing_twice_is_as_good_as_once(store: ObjectStore) -> None:
    file = store.write([b"x"], meta())
    store.remove(file.name)
    store.remove(file.name)
    assert list(store.names()) == []


def test_a_quarantined_file_keeps_its_bytes_and_says_why(store: ObjectStore) -> None:
    file = store.write([b"x"], meta())
    aside = store.quarantine(file.name, "it has no row")
    assert aside.read_bytes() == PREFIX + meta() + b"x"
    assert Path(f"{aside}.reason").read_text() == "it has no row\n"
    assert list(store.names()) == []


def test_a_part_that_matches_its_row_is_finished(store: ObjectStore) -> None:
    file = store.write([b"acknowledged"], meta())
    unfinished(store, file.name)
    rows = {file.name: (file.size, file.sha256)}
    assert store.settle_unfinished(rows.get).finished == (file.name,)
    assert store.describe(file.name)[0] == file


@pytest.mark.parametrize("row", [None, (5, b""), "another hash"])
def test_a_part_that_no_row_vouches_for_is_set_aside(
    store: ObjectStore, tmp_path: Path, row: object
) -> None:
    file = store.write([b"not acknowledged"], meta())
    part = unfinished(store, file.name)
    whole = part.read_bytes()
    expected = (file.size, b"\0" * 32) if row == "another hash" else row
    report = store.settle_unfinished(lambda name: expected)  # type: ignore[arg-type,return-value]
    assert (len(report.quarantined), report.finished) == (1, ())
    assert (tmp_path / "state" / "quarantine" / part.name).read_bytes() == whole


def test_a_part_that_is_no_object_is_set_aside(store: ObjectStore) -> None:
    part = store.path("ab/" + "ab" * 16 + ".part")
    part.write_bytes(b"half a preamble")
    expected = (part.stat().st_size, b"\0" * 32)
    assert store.settle_unfinished(lambda name: expected).quarantined == (f"ab/{part.name}",)


def test_a_part_that_a_living_writer_holds_is_left_alone(store: ObjectStore) -> None:
    code = """
        import sys
        from pathlib import Path
        from dicom_node.files import ObjectStore
        from tests.unit.dicom_node.test_dicom_files import meta

        def parts():
            yield b"begun"
            print("writing", flush=True)
            sys.stdin.readline()

        print(ObjectStore(Path(sys.argv[1])).write(parts(), meta()).name, flush=True)
    """
    root = store.path("").parent
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    with writer:
        assert writer.stdout.readline() == "writing\n"
        report = store.settle_unfinished(lambda name: None)
        assert (len(report.busy), report.quarantined) == (1, ())
        writer.stdin.write("\n")
        writer.stdin.flush()
        name = writer.stdout.readline().strip()
    assert list(store.names()) == [name]
    assert store.settle_unfinished(lambda name: None).busy == ()


def test_an_error_of_the_sender_leaves_no_file(store: ObjectStore) -> None:
    def parts() -> Iterator[bytes]:
        yield b"begun"
        raise RuntimeError("the sender broke off")

    with pytest.raises(RuntimeError, match="broke off"):
        store.write(parts(), meta())
    assert files_below(store) == []


def test_a_meta_without_transfer_syntax_is_refused_before_writing(store: ObjectStore) -> None:
    with pytest.raises(CannotUnderstand, match="Transfer Syntax UID is missing"):
        store.write([b"x"], b"")
    assert files_below(store) == []


def files_below(store: ObjectStore) -> list[Path]:
    return [path for path in store.path("").rglob("*") if path.is_file()]


def fill(root: Path) -> str:
    """Writes one small object and one that is too large, and tells what happened."""
    store = ObjectStore(root)
    small: StoredFile = store.write([b"x" * 1000], meta())
    try:
        store.write([b"y" * 10_000] * 1000, meta())
    except OutOfResources as error:
        left = [path.name for path in files_below(store)]
        return f"{error.status:04X} {left == [Path(small.name).name]} {error}"
    return "written"


def test_a_file_larger_than_the_limit_leaves_nothing_behind(tmp_path: Path) -> None:
    code = """
        import resource, sys
        from pathlib import Path
        from tests.unit.dicom_node.test_dicom_files import fill

        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
        print(fill(Path(sys.argv[1])))
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    answer = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert answer.stdout.startswith("A700 True the object could not be written to disk: File too")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk can only be mounted by root with that right")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_nothing_behind(small_disk: Path) -> None:
    answer = fill(small_disk)
    assert answer == "A700 True the object could not be written to disk: No space left on device"
