"""What can be done to models and layers from outside: kernels turned around, inputs found, parameters counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, describe
from kgraph.keras import backend as K
from kgraph.keras.layers.convolutional import Windowed
from kgraph.keras.layers.nodes import source_inputs
from kgraph.keras.models.summary import print_summary
from kgraph.keras.utils.conv_utils import convert_kernel

__all__ = [
    "convert_all_kernels_in_model",
    "convert_dense_weights_data_format",
    "count_params",
    "get_source_inputs",
    "print_summary",
]

_KERNELS = ("kernel", "depthwise_kernel")


def count_params(weights: Iterable[Any]) -> int:
    """How many numbers some weights are together; one that is mentioned twice counts once."""
    return sum(int(np.prod(weight.shape)) for weight in {id(weight): weight for weight in weights}.values())


def convert_all_kernels_in_model(model: Any) -> None:
    """Turn the kernels of all convolutions by 180°, in models within the model too: from Theano's sense, or to it."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            convert_all_kernels_in_model(layer)
        elif isinstance(layer, Windowed):
            for name in _KERNELS:
                kernel = getattr(layer, name, None)
                if kernel is not None:
                    K.set_value(kernel, convert_kernel(K.get_value(kernel)))


def convert_dense_weights_data_format(
    dense: Any, previous_feature_map_shape: tuple[int, int, int], target_data_format: str = "channels_first"
) -> None:
    """Reorder the rows of a Dense kernel as if the images that were flattened before it had their channels elsewhere.

    previous_feature_map_shape  that of one image, in the target format: [C, H, W] or [H, W, C]
    target_data_format          "channels_first" or "channels_last"; the weights are in the other one now

    Raises ArgumentError for another format, or a shape that isn't that of the kernel.
    """
    shape = tuple(previous_feature_map_shape)
    if target_data_format not in ("channels_first", "channels_last"):
        raise ArgumentError(
            describe(
                "bad target_data_format",
                expected="channels_first or channels_last",
                got=repr(target_data_format),
            )
        )
    kernel, *rest = dense.get_weights()
    if len(shape) != 3 or np.prod(shape) != len(kernel):
        raise ArgumentError(
            describe(
                "bad previous_feature_map_shape",
                expected=f"three sizes with {len(kernel)} entries",
                got=shape,
                where=dense.name,
            )
        )
    if target_data_format == "channels_first":
        channels, height, width = shape
        rows = kernel.reshape(height, width, channels, -1).transpose(2, 0, 1, 3)
    else:
        height, width, channels = shape
        rows = kernel.reshape(channels, height, width, -1).transpose(1, 2, 0, 3)
    dense.set_weights([rows.reshape(kernel.shape), *rest])


def get_source_inputs(tensor: Any, layer: Any = None, node_index: int | None = None) -> Any:
    """The tensors from `Input` that a tensor is computed from, each once.

    layer, node_index  the layer and the call of it to start from; by default those that made the tensor

    What no layer has made is its own source, and comes back as it is.
    """
    history = getattr(tensor, "_keras_history", None)
    if history is None:
        return tensor
    if layer is None or node_index is None:
        layer, node_index, _ = history
    if not layer._inbound_nodes:
        return [tensor]
    return source_inputs(layer._inbound_nodes[node_index])
