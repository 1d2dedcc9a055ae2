"""`precuneus node conformance`: the DICOM Conformance Statement of this configuration."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.output import JsonOption, json_of
from service.settings import Settings


def conformance(
    output: Annotated[
        Path | None, typer.Option(help="Write it to this file instead of printing it.")
    ] = None,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="Of the default settings, whatever is set here.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Print the DICOM Conformance Statement (PS3.2) of the node as it is configured here.

    Markdown for people, or with --json the facts behind it. It needs no running node and no
    database; the same program with the same settings prints the same text.
    """
    from service.conformance.document import document
    from service.conformance.statement import default_settings, statement

    facts = statement(default_settings() if defaults else Settings())
    text = f"{json_of(facts)}\n" if json else document(facts)
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
