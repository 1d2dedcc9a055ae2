"""`precuneus gallery labels` and `withdraw-label`: what was said, and taking it back."""

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.output import JsonOption, print_json, print_table
from service.errors import InvalidParameter
from service.settings import Settings

if TYPE_CHECKING:
    from service.labels.history import Level, StatedLabel
    from service.labels.vocabulary import VocabularyEntry


def labels(
    study: Annotated[str | None, typer.Option(help="Study Instance UID.")] = None,
    instance: Annotated[str | None, typer.Option(help="SOP Instance UID.")] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Also what was withdrawn or replaced.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show the labels of a study or an instance; without either, which labels are in use."""
    from service.labels.history import find_labels
    from service.labels.vocabulary import find_vocabulary
    from service.opening import open_gallery

    subject = _subject(study, instance)
    with open_gallery(Settings()) as engine, engine.connect() as connection:
        if subject is None:
            _show_vocabulary(find_vocabulary(connection), json=json)
            return
        found = find_labels(connection, *subject, history=history)
    if json:
        print_json(found)
        return
    waits = "" if found.in_gallery else " (not in the gallery yet)"
    columns = ("number", "of", "label", "code", "source", "stated", "recorded", "ended")
    rows = [_row(one) for one in found.labels]
    print_table(f"Labels of {found.level} {found.uid}{waits}", columns, rows)


def withdraw_label(
    label_id: Annotated[int, typer.Argument(help="Its number: see `precuneus gallery labels`.")],
    why: Annotated[str, typer.Option(help="The reason, to be kept.")],
    json: JsonOption = False,
) -> None:
    """Take a label back: it no longer counts, and stays in the history with the reason."""
    from service.labels.withdrawing import withdraw_label as withdraw
    from service.opening import open_gallery

    with open_gallery(Settings()) as engine, engine.begin() as connection:
        ended = withdraw(connection, label_id, why, by=getpass.getuser())
    if json:
        print_json(ended)
    else:
        typer.echo(f"Label {label_id} has been {ended.ended_as} since {ended.ended_at}.")


def _subject(study: str | None, instance: str | None) -> "tuple[Level, str] | None":
    if study and instance:
        raise InvalidParameter("Name one of --study and --instance.")
    if instance:
        return "instance", instance
    return ("study", study) if study else None


def _row(one: "StatedLabel") -> tuple[object, ...]:
    code = f"{one.concept.scheme} {one.concept.code} {one.concept.meaning}" if one.concept else None
    end = f"{one.ended_as} {one.ended_at:%F}" if one.ended_at else None
    return (
        one.label_id,
        "instance" if one.sop_instance_uid else "study",
        one.label,
        code,
        f"{one.source} ({one.origin})" if one.origin else one.source,
        " ".join(filter(None, (f"{one.stated_at:%F}", one.author))),
        " ".join(filter(None, (f"{one.recorded_at:%F}", one.recorded_by))),
        " ".join(filter(None, (end, one.ended_by, one.ended_because))),
    )


def _show_vocabulary(entries: list["VocabularyEntry"], *, json: bool) -> None:
    if json:
        print_json(entries)
        return
    columns = ("label", "code", "instances", "studies", "waiting", "sources")
    rows = [
        (
            entry.label,
            f"{entry.concept.scheme} {entry.concept.code}" if entry.concept else None,
            entry.instances,
            entry.studies,
            entry.waiting,
            ", ".join(f"{source} {count}" for source, count in entry.sources.items()),
        )
        for entry in entries
    ]
    print_table("Labels in use", columns, rows)
