"""The applications as the tests make them: on small images, and with weights that keep numbers tame."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """An application, the smallest images it takes, and what makes it cheaper."""

    name: str
    side: int = 32
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    def make(self, keras: Any, channels_first: bool = False, **options: Any) -> Any:
        """The model, of `keras` as kgraph or Keras has it, without published weights unless told."""
        shape = (3, self.side, self.side) if channels_first else (self.side, self.side, 3)
        given = {"weights": None, "input_shape": shape, **self.options, **options}
        return getattr(keras.applications, self.name)(**given)

    def images(self) -> Any:
        """A small batch."""
        return np.random.default_rng(7).uniform(-1, 1, (2, self.side, self.side, 3)).astype("float32")


FAMILIES = (
    Case("VGG16"),
    Case("ResNet50"),
    Case("ResNet50V2"),
    Case("Xception", 71),
    Case("InceptionV3", 75),
    Case("InceptionResNetV2", 75),
    Case("MobileNet", options={"alpha": 0.25, "depth_multiplier": 2}),
    Case("MobileNetV2", options={"alpha": 0.35}),
    Case("DenseNet121"),
    Case("NASNetMobile"),
)
"""One of each family."""

SIBLINGS = tuple(
    Case(name)
    for name in (
        "VGG19",
        "ResNet101",
        "ResNet152",
        "ResNet101V2",
        "ResNet152V2",
        "DenseNet169",
        "DenseNet201",
        "NASNetLarge",
    )
)
"""The others, which differ in numbers only."""

BY_NAME = {case.name: case for case in (*FAMILIES, *SIBLINGS)}

# Names that nobody chose: Keras 3 counts from nothing, Keras 2 and kgraph from 1.
_COUNTED = re.compile(
    r"(conv2d|batch_normalization|activation|add|concatenate|(max_|average_|global_average_|global_max_)pooling2d"
    r"|zero_padding2d|cropping2d|custom_scale_layer|input|input_layer)(_\d+)?"
)


def layers_of(model: Any) -> list[tuple[str, str, Any]]:
    """Name (where one was chosen), class and shape of the output of each layer, in order."""
    return [
        (
            "" if _COUNTED.fullmatch(layer.name) else layer.name,
            type(layer).__name__,
            tuple(layer.output.shape),
        )
        for layer in model.layers
    ]


def kinds_of(model: Any) -> list[tuple[str, tuple[int, ...]]]:
    """What each weight is, "gamma", and its shape, in order. For models of kgraph and of Keras.

    The kernel of DepthwiseConv2D is `kernel` in later Keras, `depthwise_kernel` in earlier.
    """
    names = [getattr(weight, "path", weight.name).rpartition("/")[2] for weight in model.weights]
    return [
        (name.partition(":")[0].removeprefix("depthwise_"), tuple(weight.shape))
        for name, weight in zip(names, model.weights, strict=True)
    ]


def tame_weights(kinds: list[tuple[str, tuple[int, ...]]]) -> list[Any]:
    """Weights by chance, all different, with which deep networks neither explode nor fall silent."""
    rng = np.random.default_rng(3)
    made = []
    for kind, shape in kinds:
        numbers = rng.standard_normal(shape)
        if "kernel" in kind:
            is_depthwise = len(shape) == 4 and shape[-1] <= 2
            fan = np.prod(shape[:-2] if is_depthwise else shape[:-1])
            numbers *= np.sqrt(2 / fan)
        else:
            numbers = 0.1 * numbers + {"gamma": 0.4, "moving_variance": 1.0}.get(kind, 0.0)
        made.append(numbers.astype("float32"))
    return made
