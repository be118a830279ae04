"""The same models as plain eager torch: modules, `torch.optim`, and the usual four lines a step.

Images are channels first, as torch has them by default; they are turned once, before anything is timed. Targets are
class numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.frameworks import Framework
from benchmarks.models import SEED, Array, Workload
from benchmarks.subject import LoopSubject


class LastOfLstms(nn.Module):
    """LSTMs on top of each other: [batch, time, features] -> [batch, units], the last one's last state."""

    def __init__(self, features: int, units: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, units, num_layers=layers, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.lstm(x)
        return states[:, -1]


def mlp(hidden: int) -> nn.Module:
    """`models.mlp` up to its logits."""
    return nn.Sequential(
        nn.Linear(784, hidden),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(hidden, 10),
    )


def mnist_cnn() -> nn.Module:
    """`models.mnist_cnn` up to its logits."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(12 * 12 * 64, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )


def vgg_like() -> nn.Module:
    """`models.vgg_like` up to its logits."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(22 * 22 * 64, 256),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(256, 10),
    )


def lstm_text() -> nn.Module:
    """`models.lstm_text` up to its logits."""
    return nn.Sequential(nn.Embedding(20_000, 128), LastOfLstms(128, 128, 1), nn.Linear(128, 1))


def stacked_lstm() -> nn.Module:
    """`models.stacked_lstm` up to its logits."""
    return nn.Sequential(LastOfLstms(16, 32, 3), nn.Linear(32, 10))


@dataclass(frozen=True)
class Network:
    """A module, its loss on logits, and its optimizer with the settings of the Keras model."""

    module: Callable[[], nn.Module]
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    loss: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy


RMSPROP = partial(torch.optim.RMSprop, lr=1e-3, alpha=0.9, eps=1e-7)

NETWORKS = {
    "mlp": Network(partial(mlp, hidden=512), RMSPROP),
    "mlp_small": Network(partial(mlp, hidden=64), RMSPROP),
    "mnist_cnn": Network(mnist_cnn, partial(torch.optim.Adadelta, lr=1.0, rho=0.95, eps=1e-7)),
    "vgg_like": Network(vgg_like, partial(torch.optim.SGD, lr=0.01, momentum=0.9, nesterov=True)),
    "lstm_text": Network(
        lstm_text,
        partial(torch.optim.Adam, lr=1e-3, eps=1e-7),
        nn.functional.binary_cross_entropy_with_logits,
    ),
    "stacked_lstm": Network(stacked_lstm, RMSPROP),
}


class TorchSubject(LoopSubject):
    """A network with its optimizer. Eager: a step is finished when the calls return."""

    def __init__(self, workload: Workload, network: Network) -> None:
        super().__init__(workload)
        torch.manual_seed(SEED)
        self.module = network.module()
        self.optimizer = network.optimizer(self.module.parameters())
        self.loss = network.loss
        self.batch = (self.inputs[: workload.batch], self.targets[: workload.batch])

    def prepare(self, inputs: Array, targets: Array) -> tuple[Array, Array]:
        if inputs.ndim == 4:
            inputs = np.ascontiguousarray(np.moveaxis(inputs, -1, 1))
        return inputs, targets.argmax(-1) if targets.shape[-1] > 1 else targets

    def train(self, inputs: Any, targets: Any) -> None:
        self.optimizer.zero_grad()
        loss = self.loss(self.module(torch.from_numpy(inputs)), torch.from_numpy(targets))
        loss.backward()
        self.optimizer.step()

    def wait(self) -> None:
        """Nothing runs ahead on the CPU."""

    def step(self) -> None:
        self.train(*self.batch)

    def predict(self) -> None:
        self.module.eval()
        with torch.inference_mode():
            self.module(torch.from_numpy(self.inputs[:1])).numpy()
        self.module.train()


def subject(framework: Framework, workload: Workload) -> TorchSubject:
    """`workload` as plain torch."""
    return TorchSubject(workload, NETWORKS[workload.name])
