"""`precuneus node admission`: the rules in words, and what they would do with files."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.output import JsonOption, print_json, print_table
from service.settings import Settings

if TYPE_CHECKING:
    from service.admission.rules import AdmissionRules
    from service.admission.trying import Tried


def admission(
    check: Annotated[
        list[Path] | None,
        typer.Option(help="A DICOM file, or a folder of them, to try the rules on; repeatable."),
    ] = None,
    rules: Annotated[
        str | None, typer.Option(help="Other rules than those set, or @FILE, to try them first.")
    ] = None,
    calling_ae_title: Annotated[
        str, typer.Option(help="Who is supposed to send the files.")
    ] = "import",
    json: JsonOption = False,
) -> None:
    """Print the rules of admission in words, and which of them decides about each file.

    The rules are those of PRECUNEUS_GALLERY__ADMIT. Nothing is taken in or changed. The exit code
    is 1 when a file holds no object that could be taken in.
    """
    from dicom_node.configure import configure_pydicom
    from service.admission.loading import load_rules, read_rules
    from service.admission.trying import try_rules
    from service.importing import find_files

    configure_pydicom()
    found = load_rules(Settings()) if rules is None else read_rules(rules, "--rules")
    files = find_files(check) if check else []
    tried = list(try_rules(found, files, calling_ae_title))
    if json:
        print_json(_as_json(found, tried))
    else:
        _print_rules(found)
        if tried:
            _print_tried(tried)
    raise typer.Exit(1 if any(one.fault for one in tried) else 0)


def _as_json(rules: "AdmissionRules", tried: "list[Tried]") -> dict[str, object]:
    from service.admission.wording import in_words, text_of, text_of_rule

    return {
        "text": text_of(rules),
        "rules": [
            {"number": n, "action": r.action, "text": text_of_rule(r), "words": in_words(r)}
            for n, r in enumerate(rules.rules, start=1)
        ],
        "otherwise": rules.otherwise,
        "files": [vars(one) for one in tried],
        "totals": _totals(tried),
    }


def _print_rules(rules: "AdmissionRules") -> None:
    from service.admission.wording import in_words, otherwise_in_words

    for number, rule in enumerate(rules.rules, start=1):
        typer.echo(f"{number}. {in_words(rule)}")
    typer.echo(f"{otherwise_in_words(rules).capitalize()}.")


def _print_tried(tried: "list[Tried]") -> None:
    rows = [(one.path, one.action or "refused", one.rule or one.fault) for one in tried]
    print_table("Files", ("file", "what becomes of it", "by"), rows)
    typer.echo(", ".join(f"{count} {action}" for action, count in _totals(tried).items()))


def _totals(tried: "list[Tried]") -> dict[str, int]:
    return dict(Counter(one.action or "refused" for one in tried))
