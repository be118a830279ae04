"""Helpers around models: labels, progress bar, data by batches, names, objects as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgraph.keras.utils import data_utils, generic_utils, io_utils, np_utils
from kgraph.keras.utils.custom_objects import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from kgraph.keras.utils.hdf5_matrix import HDF5Matrix
from kgraph.keras.utils.np_utils import normalize, to_categorical
from kgraph.keras.utils.progbar import Progbar
from kgraph.keras.utils.random import set_random_seed
from kgraph.keras.utils.sequence import PyDataset, Sequence
from kgraph.keras.utils.serialization import deserialize_keras_object, serialize_keras_object
from kgraph.keras.utils.vis_utils import plot_history, plot_model
from kgraph.lazy import lazy_names

if TYPE_CHECKING:
    from kgraph.keras.preprocessing.image.files import array_to_img, img_to_array, load_img, save_img
    from kgraph.keras.preprocessing.sequence import pad_sequences
    from kgraph.keras.utils import conv_utils, layer_utils, multi_gpu_utils
    from kgraph.keras.utils.dot import model_to_dot
    from kgraph.keras.utils.download import get_file
    from kgraph.keras.utils.enqueuers import GeneratorEnqueuer, OrderedEnqueuer, SequenceEnqueuer
    from kgraph.keras.utils.h5dict import H5Dict
    from kgraph.keras.utils.layer_utils import (
        convert_all_kernels_in_model,
        get_source_inputs,
        print_summary,
    )
    from kgraph.keras.utils.multi_gpu_utils import multi_gpu_model

__all__ = [
    "CustomObjectScope",
    "GeneratorEnqueuer",
    "H5Dict",
    "HDF5Matrix",
    "OrderedEnqueuer",
    "Progbar",
    "PyDataset",
    "Sequence",
    "SequenceEnqueuer",
    "array_to_img",
    "conv_utils",
    "convert_all_kernels_in_model",
    "custom_object_scope",
    "data_utils",
    "deserialize_keras_object",
    "generic_utils",
    "get_custom_objects",
    "get_file",
    "get_registered_name",
    "get_registered_object",
    "get_source_inputs",
    "img_to_array",
    "io_utils",
    "layer_utils",
    "load_img",
    "model_to_dot",
    "multi_gpu_model",
    "multi_gpu_utils",
    "normalize",
    "np_utils",
    "pad_sequences",
    "plot_history",
    "plot_model",
    "print_summary",
    "register_keras_serializable",
    "save_img",
    "serialize_keras_object",
    "set_random_seed",
    "to_categorical",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "get_file": ".download",
        # Keras 3 has these here, Keras 2 among the preprocessing.
        "pad_sequences": "kgraph.keras.preprocessing.sequence",
        **dict.fromkeys(
            ("array_to_img", "img_to_array", "load_img", "save_img"), "kgraph.keras.preprocessing.image.files"
        ),
        "model_to_dot": ".dot",
        "multi_gpu_model": ".multi_gpu_utils",
        "H5Dict": ".h5dict",
        **dict.fromkeys(("GeneratorEnqueuer", "OrderedEnqueuer", "SequenceEnqueuer"), ".enqueuers"),
        **dict.fromkeys(
            ("convert_all_kernels_in_model", "get_source_inputs", "print_summary"), ".layer_utils"
        ),
        **{name: f"{__name__}.{name}" for name in ("conv_utils", "layer_utils", "multi_gpu_utils")},
    },
)
