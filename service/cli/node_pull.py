"""`precuneus node pull` and `node reconcile`: a peer's past, fetched and accounted for."""

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from dicom_node.requesting.selection import Selection
from service.cli.output import JsonOption, print_json, print_table, progress_bar
from service.cli.selecting import (
    BodyPartOption,
    FromOption,
    ModalityOption,
    SinceOption,
    StudyOption,
    UntilOption,
    selection_of,
)
from service.settings import Settings

if TYPE_CHECKING:
    from service.pulling.method import By
    from service.pulling.pulling import PullReport
    from service.pulling.reconciling import Account
    from service.pulling.throttle import Throttle


class Service(Enum):
    """How objects are fetched."""

    move = "move"
    get = "get"


def pull(
    from_: FromOption,
    study: StudyOption = None,
    modality: ModalityOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    body_part: BodyPartOption = None,
    by: Annotated[
        Service | None, typer.Option(help="C-MOVE or C-GET (the first that works).")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="At most so many instances a second.")] = None,
    hours: Annotated[str | None, typer.Option(help="Only at these hours, such as 22-06.")] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="List the studies again; resume nothing.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Fetch a peer's studies that are not here yet; run again, it goes on where it was.

    Studies that fail are named; the exit code is then 1.
    """
    from service.pulling.throttle import Throttle, parse_hours

    selection = selection_of(study, modality, since, until, body_part)
    throttle = Throttle(rate, parse_hours(hours) if hours else None)
    report = _pull(from_, selection, throttle, by.value if by else None, anew=anew)
    _print_pull(report, json=json)
    raise typer.Exit(0 if report.succeeded else 1)


def _pull(
    peer_name: str, selection: Selection, throttle: "Throttle", by: "By | None", *, anew: bool
) -> "PullReport":
    from dicom_node.configure import configure_pydicom, configure_pynetdicom
    from service.calling import own_tls_files
    from service.opening import open_gallery, receiver
    from service.peers import find_peer
    from service.pulling.method import choose_method
    from service.pulling.pulling import Puller

    configure_pydicom()
    configure_pynetdicom()
    settings = Settings()
    with open_gallery(settings) as engine, progress_bar() as progress:
        with engine.connect() as connection:
            peer = find_peer(connection, peer_name)
        address = peer.address(settings.dicom.ae_title, own_tls_files(settings.dicom))
        method = choose_method(address, settings.dicom, by)
        puller = Puller(engine, receiver(settings, engine), address, method, throttle)
        task = progress.add_task(f"studies from {peer.name}", total=None)
        return puller.run(
            peer.name,
            selection,
            anew=anew,
            advance=lambda done, all_: progress.update(task, completed=done, total=all_),
        )


def _print_pull(report: "PullReport", *, json: bool) -> None:
    if json:
        print_json(report)
        return
    typer.echo(f"By C-{report.by.upper()}: {report.reason}.")
    if report.resumed:
        typer.echo("An interrupted pull was resumed; --anew lists the studies again.")
    for failure in report.failures:
        typer.echo(f"failed {failure.study_instance_uid}: {failure.reason}", err=True)
    for cut in report.cut_answers:
        typer.echo(f"the peer told only a part of its studies of {cut}", err=True)
    typer.echo(
        f"{report.studies} studies, {report.studies_done} of them complete here; "
        f"{report.instances} instances looked at, {report.known_already} known already, "
        f"{report.received} received."
    )


def reconcile(
    from_: FromOption,
    study: StudyOption = None,
    modality: ModalityOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    body_part: BodyPartOption = None,
    json: JsonOption = False,
) -> None:
    """Prove what of a peer's studies is searchable, pending, failed, unsupported or missing.

    The exit code is 1 where something is missing or failed, or the peer did not tell everything.
    """
    from dicom_node.configure import configure_pydicom, configure_pynetdicom
    from service.calling import own_tls_files
    from service.opening import open_gallery
    from service.peers import find_peer
    from service.pulling.reconciling import reconcile as account_for

    selection = selection_of(study, modality, since, until, body_part)
    configure_pydicom()
    configure_pynetdicom()
    settings = Settings()
    with open_gallery(settings) as engine, progress_bar() as progress:
        with engine.connect() as connection:
            peer = find_peer(connection, from_)
        task = progress.add_task(f"studies of {peer.name}", total=None)
        account = account_for(
            engine,
            peer.name,
            peer.address(settings.dicom.ae_title, own_tls_files(settings.dicom)),
            selection,
            lambda done, all_: progress.update(task, completed=done, total=all_),
        )
    _print_account(account, json=json)
    raise typer.Exit(0 if account.complete else 1)


def _print_account(account: "Account", *, json: bool) -> None:
    if json:
        print_json(account)
        return
    states = list(account.totals)
    rows: list[tuple[object, ...]] = [
        (study.study_instance_uid, *(study.states.get(s, "?") for s in states), _remark(study))
        for study in account.studies
    ]
    rows.append(("all", *account.totals.values(), ""))
    print_table(f"Studies of {account.peer}", ("Study Instance UID", *states, "remark"), rows)
    for cut in account.cut_answers:
        typer.echo(f"the peer told only a part of its studies of {cut}", err=True)


def _remark(study: object) -> str:
    fault: str | None = getattr(study, "fault", None)
    return fault or ("compared by number" if getattr(study, "by_count", False) else "")
