"""`precuneus gallery delete`: takes a study, a series or an instance out of the gallery."""

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.output import JsonOption, print_json
from service.errors import InvalidParameter
from service.settings import Settings

if TYPE_CHECKING:
    from service.deletion.deleting import Level


def delete(
    study: Annotated[str | None, typer.Option(help="Study Instance UID.")] = None,
    series: Annotated[str | None, typer.Option(help="Series Instance UID.")] = None,
    instance: Annotated[str | None, typer.Option(help="SOP Instance UID.")] = None,
    why: Annotated[str | None, typer.Option(help="The reason, to be kept.")] = None,
    refuse: Annotated[
        bool, typer.Option("--refuse", help="Refuse these instances when they are sent again.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete a study, a series or an instance: at once from searches, by rule from the disk."""
    from service.deletion.deleting import Cause, delete_subject, find_instances
    from service.deletion.files import purge_files
    from service.opening import object_store, open_gallery

    level, uid = _subject(study, series, instance)
    settings = Settings()
    with open_gallery(settings) as engine:
        with engine.connect() as connection:
            count = len(find_instances(connection, level, uid))
        if not yes:
            typer.confirm(f"Delete {count} instances of {level} {uid}?", abort=True, err=True)
        cause = Cause("command", getpass.getuser(), why, refuse)
        deleted = delete_subject(engine, level, uid, cause)
        removed = purge_files(engine, object_store(settings), settings.gallery.keep_deleted_days)
    if json:
        print_json({"deleted": deleted, "files_removed": removed})
    else:
        typer.echo(f"{deleted} instances deleted, {removed} files removed from the disk.")


def _subject(study: str | None, series: str | None, instance: str | None) -> "tuple[Level, str]":
    given: list[tuple[Level, str]] = []
    if study:
        given.append(("study", study))
    if series:
        given.append(("series", series))
    if instance:
        given.append(("instance", instance))
    if len(given) != 1:
        raise InvalidParameter("Name one of --study, --series and --instance.")
    return given[0]
