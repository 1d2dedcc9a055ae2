"""`precuneus demo`, the first thing that anybody runs: it ends well, and leaves nothing running."""

import csv
import errno
import os
import pwd
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from PIL import Image

from service.demo.studies import write_studies
from tests.support.demos import DemoRun, cleaned, living, run_demo
from tests.support.service import REPOSITORY, clean_environment

_USUAL_PORTS = (11112, 8000)
_PANELS = 6

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def usual_ports_taken() -> Iterator[None]:
    """Somebody listens on the usual ports: this test, unless somebody else already does."""
    held = []
    for port in _USUAL_PORTS:
        listener = socket.socket()
        held.append(listener)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    yield
    for listener in held:
        listener.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the demo lives, in a working folder with settings of the user's own gallery."""
    working = tmp_path_factory.mktemp("demo").resolve()
    (working / ".env").write_text("PRECUNEUS_DICOM__AE_TITLE=THE_USERS\n")
    with cleaned(working / "demo") as folder:
        yield folder


@pytest.fixture(scope="module")
def environment(folder: Path) -> dict[str, str]:
    return clean_environment({"PRECUNEUS_STATE_DIR": str(folder.parent / "gallery")})


@pytest.fixture(scope="module")
def demo(folder: Path, environment: dict[str, str], usual_ports_taken: None) -> DemoRun:
    return run_demo(folder, folder.parent / "demo.png", env=environment)


@pytest.fixture(scope="module")
def own_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight slices of four patients with their labels, a text and a broken file."""
    folder = tmp_path_factory.mktemp("own-data")
    write_studies(folder, patients=4, slices_per_patient=2, seed=7)
    (folder / "notes.txt").write_text("Not a DICOM file.\n")
    (folder / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 64)
    return folder


@pytest.fixture(scope="module")
def demo_of_own_data(demo: DemoRun, environment: dict[str, str], own_data: Path) -> DemoRun:
    """A second run in the same folder."""
    picture = demo.folder.parent / "own.png"
    return run_demo(demo.folder, picture, "--data", own_data, env=environment)


def assert_shows_six_slices(picture: Path) -> None:
    with Image.open(picture) as image:
        gray = image.convert("L")
    width = gray.width // _PANELS
    for number in range(_PANELS):
        panel = gray.crop((number * width, 0, (number + 1) * width, gray.height))
        shades = [shade for shade, count in enumerate(panel.histogram()) if count]
        assert shades[-1] - shades[0] > 100, f"panel {number} is blank"
        # A slice, not a frame around nothing: many shades of gray.
        assert len(shades) > 50, f"panel {number} is empty"


def assert_five_neighbours_of_others(run: DemoRun, pushed: Path) -> None:
    files = [file for file in pushed.rglob("*.dcm") if file.name != "broken.dcm"]
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    patients = {header.StudyInstanceUID: header.PatientID for header in headers}
    (asked,) = [h for h in headers if h.SOPInstanceUID == run.query_sop_instance_uid]
    assert [neighbour.rank for neighbour in run.neighbours] == [1, 2, 3, 4, 5]
    distances = [neighbour.distance for neighbour in run.neighbours]
    assert distances == sorted(distances)
    found = {patients.get(neighbour.study_instance_uid) for neighbour in run.neighbours}
    assert not found & {asked.PatientID, None}


def test_it_ends_well_and_prints_five_neighbours_of_other_patients(demo: DemoRun) -> None:
    assert demo.returncode == 0, demo.output
    assert "216 of 216 objects acknowledged with 0x0000." in demo.output
    assert "216 embedded." in demo.output
    assert_five_neighbours_of_others(demo, demo.folder / "studies")
    with (demo.folder / "studies" / "labels.csv").open(newline="") as file:
        labels = {row["label"] for row in csv.DictReader(file)}
    assert {neighbour.label for neighbour in demo.neighbours} <= labels


def test_the_picture_shows_the_query_and_its_neighbours(demo: DemoRun) -> None:
    assert_shows_six_slices(demo.picture)


def test_it_takes_other_ports_where_the_usual_ones_are_taken(demo: DemoRun) -> None:
    assert len(set(demo.ports)) == 2
    assert not set(demo.ports) & set(_USUAL_PORTS)


def test_it_leaves_no_process_and_touches_no_gallery_of_the_users(demo: DemoRun) -> None:
    assert living(demo.folder) == []
    beside = {path.name for path in demo.folder.parent.iterdir()}
    assert beside - {"own.png"} == {".env", "demo", "demo.png"}


def test_ones_own_files_are_shown_among_themselves_and_those_refused_are_reported(
    demo_of_own_data: DemoRun, own_data: Path
) -> None:
    run = demo_of_own_data
    assert run.returncode == 0, run.output
    assert "8 of 10 objects acknowledged with 0x0000." in run.output
    refusals = [line.strip() for line in run.output.splitlines() if " refused: " in line]
    assert sum(int(line.split()[0]) for line in refusals) == 2
    assert all(line.split("not sent ")[1] for line in refusals)
    assert "8 embedded." in run.output
    assert_five_neighbours_of_others(run, own_data)
    assert_shows_six_slices(run.picture)
    assert living(run.folder) == []


@pytest.fixture
def ordinary_user(root: None, open_dir: Path) -> dict[str, Any]:
    """Arguments of Popen for an ordinary user with a home, if it can run this interpreter."""
    nobody = pwd.getpwnam("nobody")
    home = open_dir / "home"
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    environment = {"HOME": str(home), "PATH": os.defpath, "PYTHONPATH": str(REPOSITORY)}
    identity: dict[str, Any] = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    try:
        tried = subprocess.run(
            [sys.executable, "-c", "import service.cli.main"],
            env=environment,
            cwd=home,
            capture_output=True,
            check=False,
            **identity,
        )
    except PermissionError:
        pytest.skip(f"an ordinary user cannot reach {sys.executable}")
    if tried.returncode != 0:
        pytest.skip(f"an ordinary user cannot use this installation: {tried.stderr[-200:]!r}")
    return {"env": environment, **identity}


def test_an_ordinary_user_can_run_it(
    ordinary_user: dict[str, Any], own_data: Path, open_dir: Path
) -> None:
    home = Path(ordinary_user["env"]["HOME"])
    data = shutil.copytree(own_data, open_dir / "data")
    for path in [data, *data.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    with cleaned(home / ".demo") as folder:
        run = run_demo(folder, home / "demo.png", "--data", data, **ordinary_user)
        assert run.returncode == 0, run.output
        assert living(folder) == []
        assert {path.owner() for path in home.rglob("*")} == {"nobody"}
        assert_shows_six_slices(run.picture)
    assert_five_neighbours_of_others(run, data)
