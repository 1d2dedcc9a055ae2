"""What the embedding benchmark says about its samples."""

from typing import Any

from benchmarks.embed.results import results


def samples(**changes: Any) -> dict[str, Any]:
    """Two repetitions, whose medians are round numbers."""
    made: dict[str, Any] = {
        "encoder": "msnet-0123456789ab",
        "size": 224,
        "threads": 2,
        "decode_processes": 1,
        "slices_per_s": {
            "224/1/Precuneus' encoder": [90.0, 110.0],
            "224/32/Precuneus' encoder": [125.0, 125.0],
            "224/1/ResNet-50": [25.0, 25.0],
            "224/32/ResNet-50": [30.0, 30.0],
            "224/32/ResNet-50, side by side": [50.0, 50.0],
        },
        "prepared_per_s": {"CT": [200.0], "MR": [100.0]},
        "pipeline_per_s": {"decoding": [80.0], "embedding": [100.0], "worker": [72.0]},
        "cuda": [],
    }
    return made | changes


def test_it_compares_with_the_faster_resnet_and_with_one_slice_alone() -> None:
    notes = " ".join(results(samples()).notes)

    assert "batch 1, a slice takes the encoder 0.25 times as long" in notes
    assert "batch 32, a slice takes the encoder 0.40 times as long" in notes
    assert "against one alone: 0.80 (batch 32)" in notes


def test_the_worker_is_held_against_its_slower_half() -> None:
    notes = " ".join(results(samples()).notes)

    assert "keeps 0.90 of decoding alone" in notes
    # A slice takes 2/100 s of core time to embed and 1/80 s to decode.
    assert "allow 61.5 slices/s" in notes


def test_without_a_gpu_the_table_says_so() -> None:
    (table,) = (table for table in results(samples()).tables if "GPU" in table.title)

    assert table.rows[0][0] == "not measured: no GPU"


def test_a_gpu_is_held_against_its_peak_and_what_failed_is_named() -> None:
    sample = {
        "device": "NVIDIA H100",
        "batch": 64,
        "flop": 10**9,
        "peak_tflops": [67, 989],
        "slices_per_s": {"eager, float32": 6700.0, "torch.compile, bfloat16": 26800.0},
        "failed": {"CUDA graph, bfloat16": "RuntimeError: no"},
    }
    section = results(samples(cuda=[sample, sample]))
    (table,) = (table for table in section.tables if "GPU" in table.title)
    notes = " ".join(section.notes)

    assert table.rows[0] == ("eager, float32", "6700 (6700–6700)", "6.7", "10.0%")
    assert table.rows[1][3] == "2.7%"
    assert "torch.compile, bfloat16 is 4.0 times eager, float32" in notes
    assert "CUDA graph, bfloat16 could not be measured: RuntimeError: no" in notes
