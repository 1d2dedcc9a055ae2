"""Everything a training run carries from step to step, and how it survives an interruption."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from model.checkpoint import Checkpoint
from model.errors import CheckpointError, TrainingError
from model.loading import build_network
from model.msnet import MSNet
from model.training.config import EpochMetrics, TrainConfig
from model.training.network import EmbeddingNetwork, MakeNetwork
from model.training.origin import Origin
from model.training.run_identity import RunIdentity
from model.training.saved_run import RESUME_FILE, holds_run, read_run, refuse_other_run
from model.training.settle import settle
from model.training.trainee import Trainee


class TrainingState:
    """Network with heads, their moving average, optimiser and history of one run."""

    def __init__(
        self,
        config: TrainConfig,
        identity: RunIdentity,
        device: str,
        make_network: MakeNetwork = MSNet,
    ) -> None:
        self.config = config
        self.device = device
        self._identity, self._make_network = identity, make_network
        self._num_classes = len(identity.data.label_names)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.schedule.seed)
            self.trainee = Trainee(config, self._num_classes, make_network)
        self.trainee.place(device)
        self.average = {name: t.clone() for name, t in self.trainee.state_dict().items()}
        self.optimizer = torch.optim.AdamW(self._parameter_groups())
        self.step = 0
        self.history: list[EpochMetrics] = []
        self.origin: Origin | None = None

    def parameters(self) -> Iterator[nn.Parameter]:
        """All that is learnt."""
        return self.trainee.parameters()

    def hash_parameters(self) -> list[nn.Parameter]:
        """Those of the hash head; none where there is none."""
        head = self.trainee.heads.hash
        return [] if head is None else list(head.parameters())

    def embedding_parameters(self) -> list[nn.Parameter]:
        """All others."""
        apart = {id(parameter) for parameter in self.hash_parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in apart]

    def _parameter_groups(self) -> list[dict[str, object]]:
        """Weight decay pulls on weights only: not on biases, norms or pooling exponents."""
        matrices = [p for p in self.parameters() if p.ndim > 1]
        others = [p for p in self.parameters() if p.ndim <= 1]
        return [
            {"params": matrices, "weight_decay": self.config.schedule.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]

    @torch.no_grad()
    def update_average(self, age: int) -> None:
        """Move the average towards the weights: of `age` steps so far, a young one faster."""
        decay = min(self.config.schedule.ema_decay, (1 + age) / (10 + age))
        for name, tensor in self.trainee.state_dict().items():
            if tensor.is_floating_point():
                self.average[name].lerp_(tensor, 1 - decay)
            else:
                self.average[name].copy_(tensor)

    def averaged(self) -> EmbeddingNetwork:
        """A copy of the network with the averaged weights, in evaluation mode."""
        return self._averaged().network

    def _averaged(self) -> Trainee:
        copy = Trainee(self.config, self._num_classes, self._make_network)
        copy.load_state_dict(self.average)
        return copy.place(self.device).eval()

    def settle_average(self, images: NDArray[np.float32]) -> None:
        """Let the batch norms of the averaged network settle on prepared slices (N, S, S)."""
        copy = self._averaged()
        settle(copy, images, self.config.schedule.seed, self.device)
        self.average = {name: t.clone() for name, t in copy.state_dict().items()}

    def start_from(self, checkpoint: Checkpoint, origin: Origin) -> None:
        """Begin with a checkpoint's network, remembered as `origin`; the heads begin anew.

        Raises TrainingError if its network has another shape, or its weights do not fit.
        """
        if checkpoint.info.network != self.config.network:
            raise TrainingError(
                f"{checkpoint.name} is another network than the configuration describes; "
                "leave [network] out of it, or write what the checkpoint has"
            )
        try:
            weights = build_network(checkpoint).state_dict()
        except CheckpointError as error:
            raise TrainingError(str(error)) from error
        self.trainee.network.load_state_dict(weights)
        self.average = {name: t.clone() for name, t in self.trainee.state_dict().items()}
        self.origin = origin

    def save(self, folder: Path) -> None:
        """Write the state; a crash while writing leaves the one before."""
        unfinished = folder / f"{RESUME_FILE}.unfinished"
        state = {
            "identity": self._identity.to_document(),
            "trainee": self.trainee.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "history": [asdict(metrics) for metrics in self.history],
            "origin": None if self.origin is None else asdict(self.origin),
        }
        torch.save(state, unfinished)
        unfinished.replace(folder / RESUME_FILE)

    def resume(self, folder: Path) -> bool:
        """Take up what an interrupted run left in the folder; whether there was anything.

        Raises TrainingError, naming what differs, if that run had another configuration or learnt
        from other slices; if its network was another; or if its file is damaged.
        """
        if not holds_run(folder):
            return False
        state = read_run(folder, self.device)
        refuse_other_run(folder, self._identity, state["identity"])
        if _shapes(state["trainee"]) != _shapes(self.trainee.state_dict()):
            raise TrainingError(f"{folder} holds a run of another network; choose another folder")
        self.trainee.load_state_dict(state["trainee"])
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.history = [EpochMetrics(**metrics) for metrics in state["history"]]
        self.origin = state["origin"]
        return True


def _shapes(weights: dict[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in weights.items()}
