"""Top-level commands: serve, similar, similar-study, doctor, demo."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.output import JsonOption, print_json, print_table
from service.cli.search import search
from service.cli.similar import similar
from service.cli.similar_study import similar_study
from service.settings import Settings


def add_commands(app: typer.Typer) -> None:
    """Put the commands under `precuneus` itself."""
    app.command()(serve)
    app.command()(similar)
    app.command()(search)
    app.command()(similar_study)
    app.command()(doctor)
    app.command()(demo)


def serve(
    state_dir: Annotated[
        Path | None, typer.Option(help="Folder of the database and the objects.")
    ] = None,
    dicom_host: Annotated[str | None, typer.Option(help="Address of the DICOM node.")] = None,
    dicom_port: Annotated[int | None, typer.Option(help="Port of the DICOM node (11112).")] = None,
    ae_title: Annotated[str | None, typer.Option(help="Our AE title (PRECUNEUS).")] = None,
    http_host: Annotated[
        str | None, typer.Option(help="Address of the API; off loopback it demands API keys.")
    ] = None,
    http_port: Annotated[int | None, typer.Option(help="Port of the API (8000).")] = None,
) -> None:
    """Run the whole service: database, DICOM node, worker and API.

    All of it binds to 127.0.0.1 unless told otherwise. Ctrl-C or SIGTERM ends it within 30 s.
    """
    from service.processes.serve import serve as run

    dicom = {"host": dicom_host, "port": dicom_port, "ae_title": ae_title}
    http = {"host": http_host, "port": http_port}
    changes: dict[str, object] = {
        "dicom": {name: value for name, value in dicom.items() if value is not None},
        "http": {name: value for name, value in http.items() if value is not None},
    }
    if state_dir is not None:
        changes["state_dir"] = state_dir
    raise typer.Exit(run(Settings(**changes)))  # type: ignore[arg-type]


def doctor(json: JsonOption = False) -> None:
    """Check settings, database, disk, encoder and ports, and say how to mend what is wrong."""
    from service.doctor import examine

    findings = examine(Settings())
    if json:
        print_json(findings)
    else:
        rows = [(f.subject, f.verdict, f.detail, f.remedy) for f in findings]
        print_table("Precuneus", ("what", "verdict", "found", "what to do"), rows)
    raise typer.Exit(1 if any(f.verdict == "wrong" for f in findings) else 0)


def demo(
    data: Annotated[
        Path | None,
        typer.Option(help="Show the DICOM files below this folder instead of drawn studies."),
    ] = None,
    leave: Annotated[
        bool, typer.Option("--exit", help="End after the picture instead of serving on.")
    ] = False,
    state_dir: Annotated[Path, typer.Option(help="Where the demo lives.")] = Path(".demo"),
    picture: Annotated[Path, typer.Option(help="Where the picture goes.")] = Path("demo.png"),
) -> None:
    """Run the service on drawn studies, push them over DICOM, and show a slice's neighbours."""
    from service.demo.run import run_demo

    raise typer.Exit(
        run_demo(
            state_dir.resolve(), data.resolve() if data else None, picture.resolve(), leave=leave
        )
    )
