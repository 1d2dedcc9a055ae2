"""`precuneus gallery …`: import, labels, totals, export, deletion and admission."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from service.cli.gallery_admit import admit
from service.cli.gallery_delete import delete
from service.cli.gallery_label import label
from service.cli.gallery_labels import labels, withdraw_label
from service.cli.output import JsonOption, print_json, print_table, progress_bar
from service.settings import Settings


def build_app() -> typer.Typer:
    """The group's commands."""
    app = typer.Typer(help="What is searched: the gallery.", no_args_is_help=True)
    app.command("import")(import_)
    app.command("label")(label)
    app.command("labels")(labels)
    app.command("withdraw-label")(withdraw_label)
    app.command("retry")(retry)
    app.command("stats")(stats)
    app.command("export")(export)
    app.command("delete")(delete)
    app.command("admit")(admit)
    return app


def import_(
    paths: Annotated[list[Path], typer.Argument(help="DICOM files, or folders of them.")],
    json: JsonOption = False,
) -> None:
    """Take DICOM files into the gallery, as if a PACS had pushed them.

    Files that are refused are named with their reason; the exit code is then 1.
    """
    from dicom_node.configure import configure_pydicom
    from service.importing import find_files, import_files
    from service.opening import open_gallery, receiver

    configure_pydicom()
    settings = Settings()
    files = find_files(paths)
    with open_gallery(settings) as engine, progress_bar() as progress:
        task = progress.add_task("importing", total=len(files))
        report = import_files(receiver(settings, engine), files, lambda: progress.advance(task))
    if json:
        print_json(report)
    else:
        for refusal in report.refused:
            typer.echo(f"refused {refusal.path}: {refusal.reason}", err=True)
        typer.echo(report.sentence())
    raise typer.Exit(1 if report.refused else 0)


def retry() -> None:
    """Queue all failed instances again, after what made them fail is mended."""
    from service.opening import open_gallery
    from service.queue import retry as queue_again

    with open_gallery(Settings()) as engine, engine.begin() as connection:
        count = queue_again(connection)
    typer.echo(f"{count} failed instances are queued again.")


def stats(json: JsonOption = False) -> None:
    """Count what is in the gallery."""
    from service.gallery import gallery_stats
    from service.opening import open_gallery

    with open_gallery(Settings()) as engine, engine.connect() as connection:
        found = gallery_stats(connection)
    if json:
        print_json(found)
        return
    rows: list[tuple[str, object]] = []
    for name, value in asdict(found).items():
        if isinstance(value, dict):
            rows += [(f"{name}: {key}", count) for key, count in value.items()]
        else:
            rows.append((name.replace("_", " "), value))
    print_table("Gallery", ("what", "number"), rows)


def export(
    file: Annotated[Path, typer.Argument(help="The .npz file to write.")],
) -> None:
    """Write UIDs, frames, labels, patient keys and 4,096-d embeddings as a NumPy archive."""
    from service.export import export_gallery
    from service.opening import open_gallery

    with open_gallery(Settings()) as engine, progress_bar() as progress:
        task = progress.add_task("exporting", total=None)
        count = export_gallery(
            engine, file, lambda done, all_: progress.update(task, completed=done, total=all_)
        )
    typer.echo(f"{count} slices written to {file}.")
