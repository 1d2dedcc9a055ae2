"""What the demo shows of an answer: a table and a picture."""

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from service.cli.output import print_table
from service.demo.client import Client
from service.demo.errors import DemoError
from service.demo.figure import Panel, draw_results


def print_answer(client: Client, answer: dict[str, Any]) -> None:
    """The neighbours as a table, with a look at whether each is of another patient.

    Raises:
        DemoError: a neighbour is the query's own patient's, which must never happen.
    """
    query = answer["query"]["sop_instance_uid"]
    own_key = _facts(client, query)["patient_key"]
    rows = []
    for n in answer["neighbours"]:
        if _facts(client, n["sop_instance_uid"])["patient_key"] == own_key:
            raise DemoError("A neighbour is of the query's own patient.")
        distance, labels = f"{n['distance']:.4f}", ", ".join(n["labels"])
        study = n["study_instance_uid"]
        rows.append((n["rank"], distance, labels, n["modality"], study, "another"))
    title = f"Nearest to {query}: {_label(client, query)} ({answer['method']})"
    columns = ("rank", "distance", "label", "modality", "Study Instance UID", "patient")
    print_table(title, columns, rows)


def draw_answer(client: Client, answer: dict[str, Any], picture: Path) -> None:
    """The query and its neighbours side by side, as in the paper's figure 5."""
    query = answer["query"]
    uid = query["sop_instance_uid"]
    facts = _facts(client, uid)
    own = _panel(client, uid, query["frame"], "query", [_label(client, uid), facts["modality"]])
    panels = [
        _panel(
            client,
            n["sop_instance_uid"],
            n["frame"],
            str(n["rank"]),
            [", ".join(n["labels"]) or "no label", n["modality"], f"distance {n['distance']:.3f}"],
        )
        for n in answer["neighbours"]
    ]
    heading = "Nearest slices of other patients"
    draw_results(picture, own, panels, heading=heading)


def _panel(client: Client, uid: str, frame: int, title: str, lines: list[str]) -> Panel:
    image = Image.open(BytesIO(client.preview(uid, frame)))
    return Panel(image, title, tuple(line.replace("_", " ") for line in lines))


def _facts(client: Client, uid: str) -> dict[str, Any]:
    facts = client.instance(uid)
    if facts is None:
        raise DemoError(f"The gallery lost {uid}.")
    return facts


def _label(client: Client, uid: str) -> str:
    return ", ".join(_facts(client, uid)["labels"]) or "no label"
