"""The published weights: where they are, what their sums are, and the files of them in the cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kgraph.keras.utils.download import get_file

IMAGENET = "imagenet"
"""The value of `weights` that means the published ones: of ILSVRC-2012, Russakovsky et al. 2014, arXiv:1409.0575."""
CLASSES = 1000
"""How many classes these tell apart."""

STORE = "https://storage.googleapis.com/tensorflow/keras-applications/"
CACHE = "models"
"""The folder in Keras's cache, so that what Keras has fetched is found."""


@dataclass(frozen=True)
class WeightFile:
    """A file of weights. In `path` and `fname` `{rows}` and the like stand for what tells variants apart.

    path       below `STORE`
    file_hash  its md5 sum, where there is one that Keras checks
    fname      its name in the cache, where that is not the last part of the path
    """

    path: str
    file_hash: str | None = None
    fname: str = ""

    def fetch(self, **variant: object) -> str:
        """The path of the file in the cache, after a download if need be. Raises what `get_file` raises."""
        path = self.path.format(**variant)
        fname = self.fname or path.rpartition("/")[2]
        return get_file(fname, f"{STORE}{path}", cache_subdir=CACHE, file_hash=self.file_hash)


@dataclass(frozen=True)
class Published:
    """The two files of an architecture: the whole network, and the one without its classifier."""

    whole: WeightFile
    headless: WeightFile


def _usual(folder: str, name: str, whole: str, headless: str) -> Published:
    """Two files with the names that most have, by their sums."""
    path = f"{folder}/{name}_weights_tf_dim_ordering_tf_kernels"
    return Published(WeightFile(f"{path}.h5", whole), WeightFile(f"{path}_notop.h5", headless))


_RESNET = {
    "resnet50": ("2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626"),
    "resnet101": ("f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21"),
    "resnet152": ("100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c"),
    "resnet50v2": ("3ef43a0b657b3be2300d5770ece849e0", "fac2f116257151a9d068a22e544a4917"),
    "resnet101v2": ("6343647c601c52e1368623803854d971", "c0ed64b8031c3730f411d2eb4eea35b5"),
    "resnet152v2": ("a49b44d1979771252814e80f8ec446f9", "ed17cf2e0169df9d443503ef94b23b33"),
}
_DENSENET = {
    "densenet121": ("9d60b8095a5708f2dcce2bca79d332c7", "30ee3e1110167f948a6b9946edeeb738"),
    "densenet169": ("d699b8f76981ab1b30698df4c175e90b", "b8c4d4c20dd625c148057b9ff1c1176b"),
    "densenet201": ("1ceb130c1ea1b78c3bf6114dbdfd8807", "c13680b51ded0fb44dff2d8f86ac8bb1"),
}
_OF_THEIR_OWN = {
    "vgg16": ("64373286793e3c8b2b4e3219cbf3544b", "6d6bbae143d832006294945121d1f1fc"),
    "vgg19": ("cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6"),
    "xception": ("0a58e3b7378bc2990ea3b43d5981f1f6", "b0042744bf5b25fce3cb969f33bebb97"),
    "inception_v3": ("9a0d58056eeedaa3f26cb7ebd46da564", "bcbd6486424b2319ff4ef7d526e38f63"),
    "inception_resnet_v2": ("e693bd0210a403b3192acc6073ad2e96", "d19885ff4a710c122648d3b5c3b684e4"),
}
_V2 = "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_{rows}"

PUBLISHED: Mapping[str, Published] = MappingProxyType(
    {
        **{name: _usual(name, name, *sums) for name, sums in _OF_THEIR_OWN.items()},
        **{name: _usual("resnet", name, *sums) for name, sums in _RESNET.items()},
        **{name: _usual("densenet", name, *sums) for name, sums in _DENSENET.items()},
        "mobilenet": Published(
            WeightFile("mobilenet/mobilenet_{alpha}_{rows}_tf.h5"),
            WeightFile("mobilenet/mobilenet_{alpha}_{rows}_tf_no_top.h5"),
        ),
        "mobilenet_v2": Published(WeightFile(f"{_V2}.h5"), WeightFile(f"{_V2}_no_top.h5")),
        "nasnet_mobile": Published(
            WeightFile(
                "nasnet/NASNet-mobile.h5", "020fb642bf7360b370c678b08e0adf61", fname="nasnet_mobile.h5"
            ),
            WeightFile(
                "nasnet/NASNet-mobile-no-top.h5",
                "1ed92395b5b598bdda52abe5c0dbfd63",
                fname="nasnet_mobile_no_top.h5",
            ),
        ),
        "nasnet_large": Published(
            WeightFile("nasnet/NASNet-large.h5", "11577c9a518f0070763c2b964a382f17", fname="nasnet_large.h5"),
            WeightFile(
                "nasnet/NASNet-large-no-top.h5",
                "d81d89dc07e6e56530c4e77faddd61b5",
                fname="nasnet_large_no_top.h5",
            ),
        ),
    }
)
"""The files by architecture. Those of the MobileNets have no sum that is known."""
