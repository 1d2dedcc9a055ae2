"""`precuneus node peers …`: the DICOM nodes that we know."""

from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.output import JsonOption, print_json, print_table
from service.settings import Settings

if TYPE_CHECKING:
    from service.peers import Peer

NameArgument = Annotated[str, typer.Argument(help="The peer's name, such as pacs.")]


def build_app() -> typer.Typer:
    """The group's commands."""
    app = typer.Typer(help="The DICOM nodes that we know.", no_args_is_help=True)
    app.command("list")(list_all)
    app.command("add")(add)
    app.command("remove")(remove)
    app.command("echo")(echo)
    return app


def list_all(json: JsonOption = False) -> None:
    """List the known peers."""
    from service.opening import open_gallery
    from service.peers import list_peers

    with open_gallery(Settings()) as engine, engine.connect() as connection:
        peers = list_peers(connection)
    if json:
        print_json(peers)
        return
    rows = [
        (p.name, p.ae_title, p.host, p.port, ", ".join(p.networks) or "its own address", _tls(p))
        for p in peers
    ]
    print_table("Peers", ("name", "AE title", "host", "port", "may come from", "TLS"), rows)


def _tls(peer: "Peer") -> str:
    found = peer.tls_certificate_sha256
    called = "called over TLS" if peer.tls else ""
    return ", ".join(filter(None, (called, f"certificate {found[:8]}…" if found else "")))


def add(
    name: NameArgument,
    ae_title: Annotated[str, typer.Option(help="Its AE title.")],
    host: Annotated[str, typer.Option(help="Its address or host name.")],
    port: Annotated[int, typer.Option(help="Its port.")] = 104,
    network: Annotated[
        list[str] | None,
        typer.Option(help="Network it may come from, as 10.1.0.0/16; may be given again."),
    ] = None,
    tls: Annotated[
        bool, typer.Option("--tls", help="Call it over TLS; then --port is often 2762.")
    ] = False,
    certificate_sha256: Annotated[
        str | None,
        typer.Option(
            "--certificate-sha256",
            "--tls-certificate-sha256",
            help="SHA-256 of its TLS certificate, in hexadecimal; no other is taken.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Remember a peer, or change the one of that name."""
    from service.opening import open_gallery
    from service.peers import Peer, add_peer, find_peer

    given = Peer(name, ae_title, host, port, tuple(network or ()), certificate_sha256, tls=tls)
    with open_gallery(Settings()) as engine, engine.begin() as connection:
        add_peer(connection, given)
        added = find_peer(connection, name)
    if json:
        print_json(added)
    else:
        way = ", called over TLS" if added.tls else ""
        typer.echo(f"{name} is {added.ae_title} at {added.host}:{added.port}{way}.")
    if not added.has_source:
        typer.echo(f"{host} is a name: say with --network from where it may come.", err=True)


def remove(name: NameArgument, json: JsonOption = False) -> None:
    """Forget a peer."""
    from service.opening import open_gallery
    from service.peers import remove_peer

    with open_gallery(Settings()) as engine, engine.begin() as connection:
        remove_peer(connection, name)
    if json:
        print_json({"removed": name})
    else:
        typer.echo(f"{name} is forgotten.")


def echo(name: NameArgument, json: JsonOption = False) -> None:
    """Ask a known peer whether it answers (C-ECHO), and say what is wrong where it does not."""
    from dicom_node.configure import configure_pynetdicom
    from dicom_node.errors import AssociationFailed, TlsFilesUnusable
    from dicom_node.requesting.verifying import verify
    from service.calling import own_tls_files
    from service.opening import open_gallery
    from service.peers import find_peer

    configure_pynetdicom()
    settings = Settings()
    with open_gallery(settings) as engine, engine.connect() as connection:
        peer = find_peer(connection, name)
    fault = ""
    try:
        verify(peer.address(settings.dicom.ae_title, own_tls_files(settings.dicom)))
    except (AssociationFailed, TlsFilesUnusable) as error:
        fault = str(error)
    if json:
        print_json({"peer": peer.name, "answers": not fault, "reason": fault or None})
    else:
        typer.echo(f"No answer: {fault}." if fault else f"{peer.name} answers.")
    raise typer.Exit(1 if fault else 0)
