"""`precuneus api …`: the REST API and its keys."""

from typing import Annotated

import typer

from service.cli.output import JsonOption, print_json, print_table
from service.metrics_folder import share_metrics
from service.settings import Settings


def build_app() -> typer.Typer:
    """The group's commands."""
    app = typer.Typer(help="The REST API and its keys.", no_args_is_help=True)
    app.command("serve")(serve)
    key = typer.Typer(help="API keys, demanded off loopback.", no_args_is_help=True)
    key.command("create")(create)
    key.command("list")(list_all)
    key.command("revoke")(revoke)
    app.add_typer(key, name="key")
    return app


def serve() -> None:
    """Answer HTTP requests (part of `precuneus serve`)."""
    settings = Settings()
    share_metrics(settings.state_dir)
    from service.processes.api import run_api

    raise typer.Exit(run_api(settings))


def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, such as ris-viewer.")],
) -> None:
    """Make an API key and print it; it cannot be shown again."""
    from service.keys import create_key
    from service.opening import open_gallery

    with open_gallery(Settings()) as engine, engine.begin() as connection:
        typer.echo(create_key(connection, name))


def list_all(json: JsonOption = False) -> None:
    """List the API keys by number and name."""
    from service.keys import list_keys
    from service.opening import open_gallery

    with open_gallery(Settings()) as engine, engine.connect() as connection:
        keys = list_keys(connection)
    if json:
        print_json(keys)
        return
    rows = [(key.api_key_id, key.name, key.created_at, key.revoked_at) for key in keys]
    print_table("API keys", ("number", "name", "created", "revoked"), rows)


def revoke(number: Annotated[int, typer.Argument(help="The key's number in the list.")]) -> None:
    """Refuse an API key from now on."""
    from service.keys import revoke_key
    from service.opening import open_gallery

    with open_gallery(Settings()) as engine, engine.begin() as connection:
        revoke_key(connection, number)
    typer.echo(f"Key {number} is revoked.")
