"""Networks for images that have published weights, each as a function that makes the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgraph.lazy import lazy_names

if TYPE_CHECKING:
    from kgraph.keras.applications import (
        densenet,
        imagenet_utils,
        inception_resnet_v2,
        inception_v3,
        mobilenet,
        mobilenet_v2,
        nasnet,
        resnet,
        resnet50,
        resnet_v2,
        vgg16,
        vgg19,
        xception,
    )
    from kgraph.keras.applications.densenet import DenseNet121, DenseNet169, DenseNet201
    from kgraph.keras.applications.inception_resnet_v2 import InceptionResNetV2
    from kgraph.keras.applications.inception_v3 import InceptionV3
    from kgraph.keras.applications.mobilenet import MobileNet
    from kgraph.keras.applications.mobilenet_v2 import MobileNetV2
    from kgraph.keras.applications.nasnet import NASNetLarge, NASNetMobile
    from kgraph.keras.applications.resnet import ResNet50, ResNet101, ResNet152
    from kgraph.keras.applications.resnet_v2 import ResNet50V2, ResNet101V2, ResNet152V2
    from kgraph.keras.applications.vgg16 import VGG16
    from kgraph.keras.applications.vgg19 import VGG19
    from kgraph.keras.applications.xception import Xception

__all__ = [
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "InceptionResNetV2",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "NASNetLarge",
    "NASNetMobile",
    "ResNet101",
    "ResNet101V2",
    "ResNet152",
    "ResNet152V2",
    "ResNet50",
    "ResNet50V2",
    "VGG16",
    "VGG19",
    "Xception",
    "densenet",
    "imagenet_utils",
    "inception_resnet_v2",
    "inception_v3",
    "mobilenet",
    "mobilenet_v2",
    "nasnet",
    "resnet",
    "resnet50",
    "resnet_v2",
    "vgg16",
    "vgg19",
    "xception",
]

_MODELS = {
    "densenet": ("DenseNet121", "DenseNet169", "DenseNet201"),
    "imagenet_utils": (),
    "inception_resnet_v2": ("InceptionResNetV2",),
    "inception_v3": ("InceptionV3",),
    "mobilenet": ("MobileNet",),
    "mobilenet_v2": ("MobileNetV2",),
    "nasnet": ("NASNetLarge", "NASNetMobile"),
    "resnet": ("ResNet50", "ResNet101", "ResNet152"),
    "resnet50": (),
    "resnet_v2": ("ResNet50V2", "ResNet101V2", "ResNet152V2"),
    "vgg16": ("VGG16",),
    "vgg19": ("VGG19",),
    "xception": ("Xception",),
}
"""The public modules, and the models of the package that each defines."""

__getattr__, __dir__ = lazy_names(
    __name__,
    {name: f".{module}" for module, models in _MODELS.items() for name in (module, *models)},
)
