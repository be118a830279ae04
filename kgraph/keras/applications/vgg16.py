"""VGG with 16 layers."""

from __future__ import annotations

from kgraph.keras.applications.assembly import Architecture, application
from kgraph.keras.applications.imagenet_utils import decode_predictions, preprocess_input
from kgraph.keras.applications.vgg import dense_head, features
from kgraph.keras.tensor import Tensor

__all__ = ["VGG16", "decode_predictions", "preprocess_input"]


@application(Architecture("vgg16", head=dense_head))
def VGG16(x: Tensor) -> Tensor:
    """Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014."""
    return features(x, (2, 2, 3, 3, 3))
