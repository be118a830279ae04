"""`Model`: a network that can be trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kgraph.errors import ArgumentError, describe
from kgraph.keras import saving, settings
from kgraph.keras.export import exported
from kgraph.keras.layers.input import Input, batch_inputs
from kgraph.keras.layers.nodes import flatten
from kgraph.keras.models.network import Network, is_flat_dict
from kgraph.keras.tensor import Tensor
from kgraph.keras.training.data import as_array, is_several
from kgraph.keras.training.generators import GeneratorMethods
from kgraph.keras.training.trainer import Trainer


class Model(GeneratorMethods, Trainer, Network):
    """A model from tensors to tensors, `Model(inputs, outputs)`, or a subclass with a `call` of its own.

    The Keras 1 keywords `input` and `output` are understood.
    """

    _is_called = False
    """Whether `build` is at work for a call, which makes the weights of the layers itself."""

    def __init__(
        self, inputs: Any = None, outputs: Any = None, name: str | None = None, **kwargs: Any
    ) -> None:
        inputs = kwargs.pop("input", inputs)
        outputs = kwargs.pop("output", outputs)
        super().__init__(inputs, outputs, name=name, **kwargs)

    def export(
        self,
        filepath: Any,
        format: str = "onnx",
        verbose: bool | None = None,
        input_signature: Any = None,
        opset_version: int | None = None,
        **kwargs: Any,
    ) -> Path:
        """Write the model for inference as ONNX, with the arguments of Keras 3 and those of `kgraph.export`.

        verbose          print what has been written
        input_signature  shapes, dtypes and names of the inputs (InputSpec, tensors): open sizes may be fixed
        opset_version    the same as `opset`

        Raises ArgumentError for another format, and for a signature that contradicts the model.
        """
        if format != "onnx":
            raise ArgumentError(
                describe("unknown export format", expected="onnx", got=repr(format), where=self.name)
            )
        if opset_version is not None:
            kwargs.setdefault("opset", opset_version)
        summary = exported(self, filepath, input_signature=input_signature, **kwargs)
        if verbose:
            print(summary)
        return Path(summary.path)

    def save(
        self,
        filepath: Any,
        overwrite: bool | None = True,
        include_optimizer: bool = True,
        save_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Write the whole model to a file; the arguments are those of `keras.models.save_model`."""
        saving.save_model(self, filepath, overwrite, include_optimizer, save_format, **kwargs)

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON, for `model_from_json`; `kwargs` are those of `json.dumps`."""
        return saving.to_json(self, **kwargs)

    def to_yaml(self, **kwargs: Any) -> str:
        """The architecture as YAML, for `model_from_yaml`; `kwargs` are those of `yaml.safe_dump`."""
        return saving.to_yaml(self, **kwargs)

    def save_weights(
        self, filepath: Any, overwrite: bool | None = True, save_format: str | None = None, **kwargs: Any
    ) -> None:
        """Write the weights to a file: HDF5, in the layout of Keras 3 when its name ends in `.weights.h5`."""
        saving.save_weights(self, filepath, overwrite, save_format, **kwargs)

    def load_weights(
        self,
        filepath: Any,
        by_name: bool = False,
        skip_mismatch: bool = False,
        reshape: bool = False,
        **kwargs: Any,
    ) -> None:
        """Read weights from a file of weights or of a whole model, in the order of the layers or by their names."""
        saving.load_weights(self, filepath, by_name, skip_mismatch, reshape, **kwargs)

    def build(self, input_shape: Any = None) -> None:
        """Make the weights of a subclassed model: call it on inputs of these shapes, whose batch stays open.

        input_shape  a shape with the batch, (None, 8), or a list or dict of shapes where `call` takes several inputs
        """
        if self.built or self._is_called or input_shape is None:
            self.built = True
            return
        with self._undone_on_error("built"):
            self.built = True
            self._trace_on(batch_inputs(input_shape))

    def _build_once(self, inputs: Any) -> None:
        self._is_called = True
        try:
            super()._build_once(inputs)
        finally:
            self._is_called = False

    def _build_from_data(self, x: Any) -> None:
        """Trace a model without input shape for the shapes of some data; the batch stays open."""
        if isinstance(x, Mapping):
            self._trace_on({name: placeholder_like(array, str(name)) for name, array in x.items()})
        elif is_several(x):
            self._trace_on([placeholder_like(array, f"input_{i + 1}") for i, array in enumerate(x)])
        else:
            self._trace_on(placeholder_like(x, "input_1"))

    def _trace_on(self, tensors: Any) -> None:
        """Take symbolic tensors as the inputs, and what the model makes of them as the outputs."""
        outputs = self(tensors)
        self._nested_inputs, self._nested_outputs = tensors, outputs
        self.inputs, self.outputs = flatten(tensors), flatten(outputs)
        self.input_names = [str(t.name) for t in self.inputs]
        self.output_names = [f"output_{i + 1}" for i in range(len(self.outputs))]
        if is_flat_dict(outputs):
            self.output_names = list(outputs)


Model._root = Model


def placeholder_like(data: Any, name: str) -> Tensor:
    """An input for data like this: floats as floatx, integers as int32, any number of samples."""
    array = as_array(data, f"input {name!r}")
    dtypes = {"f": settings.floatx(), "i": "int32", "u": "int32"}
    shape = array.shape if array.ndim > 1 else (array.size, 1)
    return Input(
        batch_shape=(None, *shape[1:]), dtype=dtypes.get(array.dtype.kind, array.dtype.name), name=name
    )
