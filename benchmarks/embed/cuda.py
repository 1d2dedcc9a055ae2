"""The encoder on a GPU, if there is one: slices per second and share of the peak.

Slices lie on the GPU already: this measures the network, not the way there.
"""

import re
from collections.abc import Callable, Iterator
from time import perf_counter

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from model.checkpoint import Checkpoint
from model.fold import fold_batch_norm
from model.graph import Graphs
from model.loading import basis_of, build_network

Run = Callable[[Tensor], Tensor]

EAGER = "eager, float32"
COMPILED = "torch.compile, bfloat16"

_BATCH = 64
_SECONDS = 0.5
# Peak of dense matrix products in TFLOP/s, by makers' data sheets: float32, bfloat16.
_PEAKS = {"H100": (67, 989), "H200": (67, 989), "A100": (19.5, 312), "L4": (30.3, 121)}


def measure_cuda(checkpoint: Checkpoint, size: int) -> dict[str, object] | None:
    """One sample of each way to run it, or None where torch sees no GPU."""
    if not torch.cuda.is_available():
        return None
    device = torch.cuda.get_device_name()
    rates: dict[str, float] = {}
    failed: dict[str, str] = {}
    with torch.inference_mode():
        for name, dtype, run in _ways(checkpoint):
            images = torch.rand(_BATCH, 1, size, size, device="cuda", dtype=dtype)
            images = images.to(memory_format=torch.channels_last)
            try:
                rates[name] = _rate(run, images)
            except Exception as error:  # such as a compiler that is not there: the table says so
                failed[name] = f"{type(error).__name__}: {str(error)[:200]}"
    peaks = next((p for name, p in _PEAKS.items() if re.search(rf"\b{name}\b", device)), None)
    return {
        "device": device,
        "batch": _BATCH,
        "flop": flop(checkpoint, size),
        "peak_tflops": peaks,
        "slices_per_s": rates,
        "failed": failed,
    }


def flop(checkpoint: Checkpoint, size: int) -> int:
    """Floating-point operations for one slice, two for each multiplication with its addition."""
    network = fold_batch_norm(build_network(checkpoint))
    _, r = basis_of(network, checkpoint)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network.coordinates(torch.zeros(1, 1, size, size), r)
    return int(counter.get_total_flops())


def _ways(checkpoint: Checkpoint) -> Iterator[tuple[str, torch.dtype, Run]]:
    """Each way to run it: name, precision, and the function of images."""
    for dtype in (torch.float32, torch.bfloat16):
        network = build_network(checkpoint)
        r = basis_of(network, checkpoint)[1].to("cuda")
        network = fold_batch_norm(network).place("cuda")
        network.stem.to(dtype)
        network.scales.to(dtype)
        precision = str(dtype).removeprefix("torch.")
        eager = _exactly(network.coordinates, r)
        compiled = _exactly(torch.compile(network.coordinates, mode="max-autotune"), r)
        yield f"eager, {precision}", dtype, eager
        yield f"CUDA graph, {precision}", dtype, Graphs(eager)
        yield f"torch.compile, {precision}", dtype, compiled


def _exactly(coordinates: Callable[[Tensor, Tensor], Tensor], r: Tensor) -> Run:
    def run(images: Tensor) -> Tensor:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            return coordinates(images, r)

    return run


def _rate(run: Run, images: Tensor) -> float:
    for _ in range(3):
        run(images)
    torch.cuda.synchronize()
    calls, started = 0, perf_counter()
    while perf_counter() - started < _SECONDS:
        for _ in range(8):
            run(images)
        torch.cuda.synchronize()
        calls += 8
    return calls * len(images) / (perf_counter() - started)
