"""Files of many makers, broken ones among them: each is taken or refused, with a reason."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.demo.studies import StudySet
from tests.support.materials import Material, bundled_material, listed_material, sop_instance_uid_of
from tests.support.peers import SUCCESS, Sent, dataset_bytes, dcmsend, storescp
from tests.support.service import Service, running_service

_AS_IT_IS = ("-nh", "-nuc", "-dn", "+f", "+sd")
_CHILDREN = ("node", "worker", "api")

pytestmark = pytest.mark.usefixtures("dcmtk")


@dataclass(frozen=True)
class Story:
    """What became of it all: pushed folder by folder, then imported as a whole."""

    material: Material
    service: Service
    before: dict[str, psutil.Process | None]
    sent: tuple[Sent, ...]
    imported: dict[str, Any]
    kept: dict[str, Path]
    """What storescp wrote first for each SOP Instance UID."""

    @property
    def acknowledged(self) -> list[Path]:
        return [sent.path for sent in self.sent if sent.status == SUCCESS]

    def first_come(self) -> dict[str, Path]:
        """Which file came first under each SOP Instance UID, of those that were taken."""
        taken = [(sop_instance_uid_of(path), path) for path in self.acknowledged]
        refused = {Path(refusal["path"]) for refusal in self.imported["refused"]}
        images = self.material.images
        taken += [(images[p], p) for p in self.material.files if p in images and p not in refused]
        return dict(reversed(taken))


@pytest.fixture(scope="module")
def real_files(shared_data: Path) -> Material:
    return listed_material(shared_data / "interop")


@pytest.fixture(scope="module")
def bundled_files() -> Material:
    return bundled_material()


@pytest.fixture(scope="module", params=["bundled_files", "real_files"])
def story(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    fast_encoder: dict[str, str],
) -> Iterator[Story]:
    material: Material = request.getfixturevalue(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    with running_service(folder, **fast_encoder) as service:
        before = {name: service.child(name) for name in _CHILDREN}
        sent = push(material, service.dicom_port, folder / "report")
        with storescp(folder / "storescp") as port:
            push(material, port, folder / "report")
        answer = service.run("gallery", "import", "--json", material.root, check=False)
        service.await_settled()
        kept = first_written(folder / "storescp")
        yield Story(material, service, before, sent, json.loads(answer.stdout), kept)


def push(material: Material, port: int, report: Path) -> tuple[Sent, ...]:
    """Push each folder by a run of its own, as a technician would."""
    pushes = [dcmsend(port, leaf, report=report, options=_AS_IT_IS) for leaf in material.leaves]
    assert not [push for push in pushes if "Peer aborted" in push.output]
    return tuple(sent for push in pushes for sent in push.sent)


def first_written(folder: Path) -> dict[str, Path]:
    files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    return {sop_instance_uid_of(file): file for file in reversed(files)}


def test_nothing_crashes(story: Story) -> None:
    assert None not in story.before.values()
    assert {name: story.service.child(name) for name in _CHILDREN} == story.before
    assert story.service.records("child_ended") == []
    assert story.service.records("store.error") == []


def test_each_accepted_file_has_a_state_and_where_it_is_not_embedded_a_reason(
    story: Story,
) -> None:
    states = story.service.states()
    accepted = set(map(sop_instance_uid_of, story.acknowledged))
    assert len(accepted) > 20
    assert accepted <= states.keys()
    assert {state for state, _ in states.values()} >= {"embedded", "unsupported"}
    assert {state for state, reason in states.values() if not reason} == {"embedded"}
    assert {state for state, reason in states.values() if reason} <= {"unsupported", "failed"}


def test_each_refused_file_has_a_status_and_a_reason_in_the_log(story: Story) -> None:
    asked = [sent.status for sent in story.sent if sent.status is not None]
    refused = Counter(f"0x{status:04X}" for status in asked if status != SUCCESS)
    records = story.service.records("store.refused")
    assert Counter(record["status"] for record in records) == refused
    assert refused.keys() == {"0xA900", "0xC000"}
    assert all(record["reason"] for record in records)


def test_an_import_accounts_for_each_file(story: Story) -> None:
    report = story.imported
    counted = report["stored"] + report["duplicates"] + report["conflicts"]
    assert counted + len(report["refused"]) == len(story.material.files)
    assert report["stored"] > 0
    assert all(refusal["reason"] for refusal in report["refused"])


def test_each_image_that_came_first_under_a_valid_uid_is_embedded(story: Story) -> None:
    states, first = story.service.states(), story.first_come()
    images = story.material.images
    assert len(images) > 40
    awaited = {path: uid for path, uid in images.items() if first[uid] == path}
    assert len(awaited) > len(set(images.values())) * 0.9
    assert {p.name: states[u] for p, u in awaited.items() if states[u][0] != "embedded"} == {}


def test_each_frame_of_an_embedded_object_has_its_row(story: Story) -> None:
    uneven = story.service.rows(
        "SELECT sop_instance_uid FROM instance LEFT JOIN embedding USING (instance_id) "
        "GROUP BY instance_id HAVING count(coordinates) <> "
        "CASE state WHEN 'embedded' THEN frames ELSE 0 END"
    )
    assert uneven == []


def test_stored_datasets_are_byte_for_byte_what_storescp_writes(story: Story) -> None:
    rows = story.service.rows(
        "SELECT sop_instance_uid, file_name FROM instance WHERE source = 'DCMSEND'"
    )
    assert len(rows) > 20
    objects = story.service.state_dir / "objects"
    differing = [
        uid for uid, name in rows if dataset_bytes(objects / name) != dataset_bytes(story.kept[uid])
    ]
    assert differing == []


def test_a_normal_push_still_works(story: Story, drawn: StudySet, tmp_path: Path) -> None:
    answer = dcmsend(story.service.dicom_port, *drawn.files[:4], report=tmp_path / "report")
    assert [sent.status for sent in answer.sent] == [SUCCESS] * 4
    story.service.await_settled()
    states = story.service.states()
    assert {states[sent.sop_instance_uid] for sent in answer.sent} == {("embedded", None)}
