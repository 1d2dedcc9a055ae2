"""Everything a training run carries from step to step, and how it survives an interruption."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from model.errors import TrainingError
from model.msnet import MSNet, SoftmaxHead
from model.train_config import EpochMetrics, TrainConfig

_FILE = "resume.pt"


class TrainingState:
    """Network, head, their moving average, optimiser and history of one run."""

    def __init__(self, config: TrainConfig, num_classes: int) -> None:
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network = MSNet(config.network)
            self.head = SoftmaxHead(config.network.embedding_dim, num_classes)
        self.network.place(config.device)
        self.head.to(config.device)
        self.average = {k: v.clone() for k, v in self._tensors()}
        self.optimizer = torch.optim.AdamW(self._parameter_groups())
        self.step = 0
        self.history: list[EpochMetrics] = []

    def parameters(self) -> Iterable[nn.Parameter]:
        """All that is learnt."""
        yield from self.network.parameters()
        yield from self.head.parameters()

    def _tensors(self) -> Iterable[tuple[str, Tensor]]:
        for part, module in (("network", self.network), ("head", self.head)):
            for name, tensor in module.state_dict().items():
                yield f"{part}.{name}", tensor

    def _parameter_groups(self) -> list[dict[str, object]]:
        """Weight decay pulls on weights only: not on biases, norms or pooling exponents."""
        matrices = [p for p in self.parameters() if p.ndim > 1]
        others = [p for p in self.parameters() if p.ndim <= 1]
        return [
            {"params": matrices, "weight_decay": self.config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]

    @torch.no_grad()
    def update_average(self) -> None:
        """Move the average towards the weights; young averages move faster."""
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        for name, tensor in self._tensors():
            if tensor.is_floating_point():
                self.average[name].lerp_(tensor, 1 - decay)
            else:
                self.average[name].copy_(tensor)

    def averaged(self) -> tuple[MSNet, SoftmaxHead]:
        """Network and head with the averaged weights, in evaluation mode."""
        network = MSNet(self.config.network)
        head = SoftmaxHead(self.config.network.embedding_dim, self.head.classifier.out_features)
        for part, module in (("network.", network), ("head.", head)):
            module.load_state_dict(
                {k.removeprefix(part): v for k, v in self.average.items() if k.startswith(part)}
            )
            module.eval()
        return network.place(self.config.device), head.to(self.config.device)

    def save(self, folder: Path) -> None:
        """Write the state; a crash while writing leaves the one before."""
        unfinished = folder / f"{_FILE}.unfinished"
        state = {
            "config": self.config.identity(),
            "network": self.network.state_dict(),
            "head": self.head.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "history": [asdict(metrics) for metrics in self.history],
        }
        torch.save(state, unfinished)
        unfinished.replace(folder / _FILE)

    def resume(self, folder: Path) -> None:
        """Take up what an interrupted run left in the folder, if anything.

        Raises TrainingError if that run had another configuration.
        """
        if not (folder / _FILE).exists():
            return
        state = torch.load(folder / _FILE, map_location=self.config.device, weights_only=True)
        if state["config"] != self.config.identity():
            raise TrainingError(f"{folder} holds a run with another configuration")
        self.network.load_state_dict(state["network"])
        self.head.load_state_dict(state["head"])
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.history = [EpochMetrics(**metrics) for metrics in state["history"]]
