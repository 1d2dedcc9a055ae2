"""Checkpoints: what goes in comes out, and nothing else passes for one."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model import checkpoint
from model.embedder import Embedder
from model.errors import CheckpointError, CheckpointMissingError, CheckpointTamperedError
from tests.unit.model.made import info, network, saved


def test_everything_comes_back(tmp_path: Path) -> None:
    made = network()
    loaded = checkpoint.load(saved(tmp_path, made))

    assert loaded.info == info()
    assert loaded.name == f"msnet-{loaded.digest[:12]}"
    np.testing.assert_array_equal(
        loaded.weights["stem.0.0.weight"], made.stem[0][0].weight.detach()
    )


def test_the_same_content_has_the_same_name(tmp_path: Path) -> None:
    first, second = saved(tmp_path / "a", network()), saved(tmp_path / "b", network())
    other = saved(tmp_path / "c", network(seed=2))

    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()
    assert other.name != first.name
    assert [p.name for p in (tmp_path / "a").iterdir()] == [first.name]


def test_figures_can_be_added_and_change_the_name(tmp_path: Path) -> None:
    path = saved(tmp_path, network())

    annotated = checkpoint.annotate(path, {"chance": 0.36})

    assert annotated != path
    assert checkpoint.load(annotated).info.metrics == {"tumour_macro_map": 0.5, "chance": 0.36}
    assert checkpoint.load(path).info == info()


@pytest.mark.parametrize("at", [20, -1])
def test_one_changed_byte_is_noticed(tmp_path: Path, at: int) -> None:
    path = saved(tmp_path, network())
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)

    with pytest.raises(CheckpointTamperedError, match="damaged or exchanged"):
        checkpoint.load(path)
    with pytest.raises(CheckpointTamperedError):
        checkpoint.describe(path)


def test_a_missing_file_and_a_wrong_name_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMissingError):
        checkpoint.load(tmp_path / "msnet-0123456789ab.safetensors")
    with pytest.raises(CheckpointError, match="is not named"):
        checkpoint.load(tmp_path / "weights.pt")


def renamed(path: Path, content: bytes) -> Path:
    """Give content the name that its hash asks for."""
    made = path.with_name(f"msnet-{hashlib.sha256(content).hexdigest()[:12]}.safetensors")
    made.write_bytes(content)
    return made


@pytest.mark.parametrize("content", [b"", b"no header", b"\x02" + bytes(7) + b"{}", bytes(100)])
def test_other_files_with_a_true_hash_are_refused(tmp_path: Path, content: bytes) -> None:
    path = renamed(tmp_path / "x", content)

    with pytest.raises(CheckpointError):
        checkpoint.load(path)
    with pytest.raises(CheckpointError):
        checkpoint.describe(path)


def test_another_preprocessing_version_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, network())
    content = path.read_bytes().replace(b'\\"version\\": \\"1\\"', b'\\"version\\": \\"0\\"')
    assert content != path.read_bytes()

    with pytest.raises(CheckpointError, match="needs preprocessing 0"):
        checkpoint.load(renamed(path, content))


def test_facts_can_be_read_without_torch(tmp_path: Path) -> None:
    path = saved(tmp_path, network())
    program = (
        "import json, sys, pathlib; from model.checkpoint import describe;"
        "digest, info = describe(pathlib.Path(sys.argv[1]));"
        "print(json.dumps([digest, info.metrics, 'torch' in sys.modules]))"
    )

    run = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )

    digest, metrics, torch_was_loaded = json.loads(run.stdout)
    assert path.stem == f"msnet-{digest[:12]}"
    assert metrics == {"tumour_macro_map": 0.5}
    assert not torch_was_loaded


def test_the_shipped_checkpoint_is_whole_small_and_says_where_it_comes_from() -> None:
    path = checkpoint.default_checkpoint()
    loaded = checkpoint.load(path)

    assert path.stat().st_size < 6_000_000
    assert Embedder(loaded).basis.shape == (4096, 225)
    assert "PHE-SICH-CT-IDS" in loaded.info.data_statement
    assert "1512427" in loaded.info.data_statement
