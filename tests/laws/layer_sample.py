"""What a sample of a layer is, and the arrays and masks that samples share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
BATCH = 3


@dataclass(frozen=True)
class Sample:
    """`make(namespace)` builds the layer; `inputs` are arrays with a batch of 3; `call` holds more call arguments.

    `options` are those that are no tensors.
    """

    name: str
    make: Callable[[Any], Any]
    inputs: tuple[Array, ...]
    call: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    apart: bool = False  # whether each input is an argument of its own
    in_keras: bool = True  # whether Keras 3 has the same
    sized: bool = False  # whether it must know all sizes but the batch
    batch: int | None = None  # the batch size, when it must know that
    saved: bool = True  # whether its configuration is plain data
    in_hdf5: bool = True  # whether Keras 3 reads it: of several axes it takes the first

    @property
    def may_mask(self) -> bool:
        """Whether it takes or makes a mask in Keras too."""
        return "mask" in self.call or self.name.startswith(
            ("Masking", "Embedding(input_dim=9,output_dim=4,mask")
        )

    def apply(self, layer: Any, inputs: Any, call: Mapping[str, Any]) -> Any:
        """The layer, called on inputs and tensors in place of the sample's."""
        given = inputs if self.apart else [inputs[0] if len(inputs) == 1 else list(inputs)]
        return layer(*given, **call, **self.options)

    def __str__(self) -> str:
        return self.name


def floats(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(-2, 2, shape).astype("float32")


def some(*shape: int) -> Array:
    """A mask with a valid first step, of rows that differ in length, with a hole."""
    mask = np.arange(shape[-1]) < np.arange(shape[-1], shape[-1] - shape[0], -1)[:, None]
    mask[-1, 1] = False
    return np.broadcast_to(mask.reshape(shape[0], *[1] * (len(shape) - 2), shape[-1]), shape).copy()


def late(*shape: int) -> Array:
    """A mask whose first steps are invalid."""
    return some(*shape)[:, ::-1].copy()


SEQUENCE = floats(BATCH, 5, 4)
IMAGE = floats(BATCH, 7, 6, 2)
IMAGE_FIRST = floats(BATCH, 2, 7, 6)


def simple(name: str, inputs: Any, **kwargs: Any) -> Iterator[Sample]:
    """A layer made from its class and keyword arguments; those that a Sample has are the sample's."""
    arrays = inputs if isinstance(inputs, tuple) else (inputs,)
    options = {key: kwargs.pop(key) for key in list(kwargs) if key in Sample.__dataclass_fields__}
    label = ",".join(f"{key}={value}" for key, value in kwargs.items())
    yield Sample(f"{name}({label})", lambda ns: getattr(ns, name)(**kwargs), arrays, **options)
