"""`precuneus search` in a gallery made by commands alone."""

from pathlib import Path

import numpy as np
import pytest

from tests.integration.service.cli.conftest import Imported
from tests.support.objects import ct_dataset, write_file
from tests.support.uploads import picture_bytes


def uids(told: dict[str, list[dict[str, str]]]) -> list[str]:
    return [neighbour["sop_instance_uid"] for neighbour in told["neighbours"]]


def test_a_file_of_the_gallery_finds_what_similar_finds(imported: Imported) -> None:
    shell = imported.shell
    ended = shell.run("search", "files/2.dcm", "-k", 3, "--json")
    assert ended.code == 0, ended.errors
    stored = shell.run("similar", imported.uids[2], "-k", 3, "--json").json()
    assert uids(ended.json()) == uids(stored)
    assert ended.json()["query"]["patient"] == "left out"
    assert "ZQ-" not in ended.output + ended.errors


def test_a_new_file_and_a_picture_are_searched_by(imported: Imported, tmp_path: Path) -> None:
    new = write_file(tmp_path / "new.dcm", ct_dataset(seed=40, patient_id="ZQ-3"))
    ended = imported.shell.run("search", new, "--json", "--exact")
    assert ended.code == 0, ended.errors
    assert sorted(uids(ended.json())) == sorted(set(imported.uids) - {imported.uids[3]})
    picture = tmp_path / "screen.png"
    picture.write_bytes(
        picture_bytes(np.random.default_rng(2).integers(0, 256, (64, 64)).astype(np.uint8))
    )
    told = imported.shell.run("search", picture, "-k", 6)
    assert told.code == 0, told.errors
    assert "Similar to the upload" in told.output
    assert all(uid in told.output for uid in imported.uids)
    assert "names no patient" in told.output


def test_regions_and_examples_are_searched_by(imported: Imported) -> None:
    first, second, third = imported.uids[:3]
    region = imported.shell.run("search", "--region", f"{first}:1:0,0,64,63.5", "--json")
    assert region.code == 0, region.errors
    assert region.json()["query"]["region"]["box"] == [0, 0, 64, 63.5]
    assert first not in uids(region.json())
    examples = imported.shell.run(
        *("search", "--positive", first, "--positive", f"{second}:1", "--negative", third, "--json")
    )
    assert examples.code == 0, examples.errors
    assert sorted(uids(examples.json())) == sorted(imported.uids[3:])


def test_evidence_is_of_files_and_says_what_is_missing(imported: Imported) -> None:
    told = imported.shell.run("search", "files/2.dcm", "--evidence")
    assert told.code == 0, told.errors
    assert "not a diagnosis" in told.output
    assert "index calibrate" in told.output
    body = imported.shell.run("search", "files/2.dcm", "--evidence", "--json").json()
    assert body["evidence"]["patients"] == 5
    assert body["evidence"]["shares"] == []
    refused = imported.shell.run("search", "--positive", imported.uids[0], "--evidence")
    assert (refused.code, "whole slices" in refused.errors) == (2, True)


def test_pages_of_a_file_follow_one_another(imported: Imported) -> None:
    asked = ("search", "files/2.dcm", "--json", "-k")
    first = imported.shell.run(*asked, 2).json()
    rest = imported.shell.run(*asked, 3, "--cursor", first["next_cursor"])
    assert rest.code == 0, rest.errors
    assert uids(first) + uids(rest.json()) == uids(imported.shell.run(*asked, 5).json())
    other = imported.shell.run(
        "search", "--positive", imported.uids[0], "--cursor", first["next_cursor"]
    )
    assert (other.code, "continues another question" in other.errors) == (2, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "Give a file"),
        (("files/0.dcm", "--positive", "1.2"), "one of them"),
        (("--negative", "1.2"), "positive examples"),
        (("--region", "1.2:1:0,0,9"), "region.box"),
        (("--region", "nothing"), "region"),
        (("--positive", "1.2:x"), "positive.0.frame"),
    ],
)
def test_what_asks_for_nothing_known_is_wrong_usage(
    imported: Imported, options: tuple[str, ...], words: str
) -> None:
    ended = imported.shell.run("search", *options)
    assert ended.code == 2
    assert words in " ".join(ended.errors.replace("│", " ").split())


def test_what_cannot_be_searched_by_is_told(imported: Imported) -> None:
    notes = imported.shell.run("search", "files/notes.txt")
    assert (notes.code, "no DICOM file, PNG or JPEG" in notes.errors) == (2, True)
    absent = imported.shell.run("search", "absent.dcm")
    assert absent.code == 1
    assert "absent.dcm: No such file" in absent.errors
    unknown = imported.shell.run("search", "--positive", "1.2.3")
    assert (unknown.code, "1.2.3" in unknown.errors) == (1, True)
