"""ResNet50 where Keras 2 has it; it is that of `resnet`."""

from __future__ import annotations

from kgraph.keras.applications.imagenet_utils import decode_predictions, preprocess_input
from kgraph.keras.applications.resnet import ResNet50

__all__ = ["ResNet50", "decode_predictions", "preprocess_input"]
