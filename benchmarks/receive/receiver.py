"""What the measurement needs to know of a running receiver, whichever program it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.children import HOST
from dicom_node.scu import echo


@dataclass(frozen=True)
class Receiver:
    """A running receiver.

    `synced`, `durable` and `registers` say what its answer is worth. `roots` are, by what they do,
    the processes whose CPU time counts, each with all that it starts. `stored` counts what it
    holds, by its own index where it has one.
    """

    name: str
    ae_title: str
    port: int
    synced: bool
    durable: str
    registers: str
    roots: Mapping[str, int]
    stored: Callable[[], int]

    def answers(self) -> bool:
        """Whether it answers a C-ECHO."""
        return echo(HOST, self.port, self.ae_title, "BENCHMARK").succeeded
