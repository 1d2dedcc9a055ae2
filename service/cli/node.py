"""`precuneus node …`: the DICOM node."""

from typing import Annotated

import typer

from service.cli import peers
from service.cli.node_admission import admission
from service.cli.node_conformance import conformance
from service.cli.node_log import log
from service.cli.node_pull import pull, reconcile
from service.metrics_folder import share_metrics
from service.settings import Settings


def build_app() -> typer.Typer:
    """The group's commands."""
    app = typer.Typer(help="The DICOM node that receives studies.", no_args_is_help=True)
    app.command("serve")(serve)
    app.command("echo")(echo)
    app.command("pull")(pull)
    app.command("reconcile")(reconcile)
    app.command("log")(log)
    app.command("admission")(admission)
    app.command("conformance")(conformance)
    app.add_typer(peers.build_app(), name="peers")
    return app


def serve() -> None:
    """Receive objects by C-STORE (part of `precuneus serve`)."""
    settings = Settings()
    share_metrics(settings.state_dir)
    from service.processes.node import run_node

    raise typer.Exit(run_node(settings))


def echo(
    host: Annotated[str | None, typer.Option(help="Peer's address (our own node's).")] = None,
    port: Annotated[int | None, typer.Option(help="Peer's port (our own node's).")] = None,
    called_ae_title: Annotated[str | None, typer.Option(help="Peer's AE title (ours).")] = None,
    calling_ae_title: Annotated[str | None, typer.Option(help="Who we say we are (ours).")] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Over TLS, with our certificate.")] = False,
) -> None:
    """Ask a DICOM peer whether it answers (C-ECHO); without options, our own node."""
    from dicom_node.configure import configure_pydicom, configure_pynetdicom
    from dicom_node.scu import echo as ask
    from service.calling import own_node_tls, own_tls_files, peer_tls

    configure_pydicom()
    configure_pynetdicom()
    own = Settings().dicom
    secured = None
    # Our own node may have no other port.
    tls = tls or not (own.plain or host)
    if tls:
        secured = peer_tls(own_tls_files(own), host) if host else own_node_tls(own, own.host)
    result = ask(
        host or own.host,
        port or (own.tls.port if tls else own.port),
        called_ae_title or own.ae_title,
        calling_ae_title or own.ae_title,
        secured,
    )
    typer.echo("The peer answers." if result.succeeded else f"No answer: {result.reason}.")
    raise typer.Exit(0 if result.succeeded else 1)
