"""VGG with 19 layers."""

from __future__ import annotations

from kgraph.keras.applications.assembly import Architecture, application
from kgraph.keras.applications.imagenet_utils import decode_predictions, preprocess_input
from kgraph.keras.applications.vgg import dense_head, features
from kgraph.keras.tensor import Tensor

__all__ = ["VGG19", "decode_predictions", "preprocess_input"]


@application(Architecture("vgg19", head=dense_head))
def VGG19(x: Tensor) -> Tensor:
    """Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014."""
    return features(x, (2, 2, 4, 4, 4))
