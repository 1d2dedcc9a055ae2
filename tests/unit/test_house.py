"""The house's two measures: how long a file and a function may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
FOLDERS = ("service", "model", "dicom_node", "migrations", "tests", "benchmarks")
# Generated, and never touched again once released.
EXEMPT = REPOSITORY / "migrations" / "versions"
FILE_LINES, FUNCTION_LINES = 250, 40


def sources() -> list[Path]:
    """Every Python file of the repository."""
    found = [path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*.py")]
    return sorted(path for path in found if not path.is_relative_to(EXEMPT))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a file and its lines, signature and docstring among them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_the_sources_are_found() -> None:
    names = {str(path.relative_to(REPOSITORY)) for path in sources()}
    assert {"service/worker.py", "model/msnet.py", "dicom_node/scp.py"} <= names
    assert "tests/unit/test_house.py" in names


def test_no_file_is_too_long() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    offenders = [
        f"{path.relative_to(REPOSITORY)}: {lines} lines"
        for path, lines in lengths.items()
        if lines > FILE_LINES
    ]
    assert not offenders, "\n" + "\n".join(offenders)


def test_no_function_is_too_long() -> None:
    offenders = [
        f"{path.relative_to(REPOSITORY)}: {name} has {lines} lines"
        for path in sources()
        for name, lines in functions(path)
        if lines > FUNCTION_LINES
    ]
    assert not offenders, "\n" + "\n".join(offenders)
