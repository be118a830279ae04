"""Which weights a layer has in files, in which order, and what to do with the layouts of older Keras.

A file holds a list of arrays for each layer of a model. Those of a nested model are one list: first what trains of all
its layers, then the rest, so the order depends on what was frozen when it was saved; names tell where they can.

What Keras 1 laid out differently, and what Keras 2 converted when it read it (weights are W, U, b of each gate):

    LSTM           12 arrays, gates i, c, f, o            kernel, recurrent_kernel, bias with gates i, f, c, o
    ConvLSTM2D     the same; channels_first: kernels [filters, channels, *size]
    GRU            9 arrays, gates z, r, h                the same three, gates in this order
    Conv1D         [length, 1, channels, filters], before that [filters, channels, length, 1]
    Conv2D, 3D     channels_first: [filters, channels, *size]
    Conv2DTranspose  [*size, channels, filters]; channels_first: [filters, channels, *size]

Kernels that were trained on Theano are turned around, because it convolves where others correlate. The fused layers
CuDNNLSTM and CuDNNGRU have each gate's kernel transposed, and biases for both products; either kind of layer takes the
weights of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Protocol

import numpy as np

from kgraph.errors import FileError, UnsupportedError, describe
from kgraph.ir.types import Array
from kgraph.keras.layers.cells import GRUCell, LongShort, LSTMCell
from kgraph.keras.layers.convolutional import Conv, ConvTranspose
from kgraph.keras.layers.convolutional_recurrent import ConvLSTMCell
from kgraph.keras.layers.cudnn_recurrent import CuDNNCell
from kgraph.keras.layers.pooling import Pooling
from kgraph.keras.tensor import Variable


class Source(Protocol):
    """Where the values of a weight come from: a dataset, or what is made of some."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def read(self) -> Array:
        """The array."""

    def read_into(self, out: Array) -> None:
        """Read into an array of this shape."""


@dataclass(frozen=True)
class Made:
    """An array that is computed when it is asked for."""

    shape: tuple[int, ...]
    make: Callable[[], Array]

    def read(self) -> Array:
        return self.make()

    def read_into(self, out: Array) -> None:
        out[...] = self.make()


@dataclass(frozen=True)
class Origin:
    """Who wrote the weights: the major version of Keras, and the backend whose conventions the kernels follow."""

    version: int
    backend: str | None


# -- order and names


def file_order(layer: Any) -> list[Variable]:
    """The weights of a layer as files list them: what trains, then what does not."""
    return list(dict.fromkeys([*layer.trainable_weights, *layer.non_trainable_weights]))


def file_names(weights: Iterable[Variable]) -> list[str]:
    """The names of weights in a file, as TensorFlow would have it: "dense_1/kernel:0". Each is there once."""
    names: dict[str, None] = {}
    for weight in weights:
        stem = str(weight.name).strip("/")
        name, count = stem, 0
        while f"{name}:0" in names:
            count += 1
            name = f"{stem}_{count}"
        names[f"{name}:0"] = None
    return list(names)


def match(
    layer: Any, names: Sequence[str], sources: Sequence[Source], origin: Origin
) -> list[tuple[Variable, Source]]:
    """What each weight of a layer is to be read from, in today's layout. Shapes are not compared yet.

    Raises FileError when the number of arrays is another than that of the weights.
    """
    weights = file_order(layer)
    if len(weights) == len(sources):
        weights = _by_name(weights, names)
    runs = _runs(layer, weights)
    counts = [len(run) for _, run in runs]
    if sum(counts) != len(sources) and origin.version == 1:
        counts = [_gate_by_gate(owner, len(run)) for owner, run in runs]
    if sum(counts) != len(sources):
        raise FileError(
            describe(
                f"layer {layer.name} and the file have another number of weights",
                expected=f"{len(weights)}: " + ", ".join(str(w.name) for w in weights),
                got=f"{len(sources)}: " + ", ".join(names),
            )
        )
    found: list[tuple[Variable, Source]] = []
    rest = list(sources)
    for (owner, run), count in zip(runs, counts, strict=True):
        piece, rest = rest[:count], rest[count:]
        found += zip(run, _modern(owner, piece, origin), strict=True)
    return found


def _by_name(weights: list[Variable], names: Sequence[str]) -> list[Variable]:
    """The weights in the order of `names`, when these are the same names, otherwise as they are."""
    named = {_short(str(weight.name)): weight for weight in weights}
    wanted = [_short(name) for name in names]
    same = len(named) == len(weights) and named.keys() == set(wanted)
    return [named[name] for name in wanted] if same else weights


def _short(name: str) -> str:
    """Layer and weight: "model/dense/kernel:0" -> "dense/kernel"."""
    return "/".join(name.removesuffix(":0").split("/")[-2:])


def _runs(layer: Any, weights: Iterable[Variable]) -> list[tuple[Any, list[Variable]]]:
    """Weights that follow each other and are of one layer, with that layer, which may be inside of `layer`."""
    owners = _owners(layer)
    runs = [list(run) for _, run in groupby(weights, key=lambda weight: id(owners[weight]))]
    return [(owners[run[0]], run) for run in runs]


def _owners(layer: Any) -> dict[Variable, Any]:
    """The layer, this one or one inside of it, that has each weight itself."""
    found: dict[Variable, Any] = {}
    for one in layer._flatten_layers():
        for weight in [*one._trainable_weights, *one._non_trainable_weights]:
            found.setdefault(weight, one)
    return found


# -- older layouts


def _gate_by_gate(layer: Any, count: int) -> int:
    """How many arrays Keras 1 had for a layer that has `count` now: W, U and b of each gate."""
    return 3 * layer.gates if isinstance(layer, LongShort | GRUCell) else count


def _modern(layer: Any, sources: list[Source], origin: Origin) -> list[Source]:
    """The arrays of one layer as it has them today."""
    if isinstance(layer, LSTMCell | GRUCell):
        if len(sources) == 3 * layer.gates and len(sources) > 3:
            sources = _joined(sources, (0, 2, 1, 3) if isinstance(layer, LSTMCell) else (0, 1, 2))
        return _to_cudnn(layer, sources) if isinstance(layer, CuDNNCell) else _from_cudnn(layer, sources)
    if isinstance(layer, ConvLSTMCell):
        return _conv_lstm(layer, sources, origin)
    if isinstance(layer, Conv | ConvTranspose) and sources:
        kernel = _kernel(layer, sources[0], origin)
        if origin.backend == "theano":
            _check_padding(layer)
            return [Made(kernel.shape, partial(_turned, kernel, layer.spatial)), *sources[1:]]
        return [kernel, *sources[1:]]
    return sources


def _check_padding(layer: Any) -> None:
    """Raise UnsupportedError where Theano pads otherwise: with as much in front as behind, whatever the sizes."""
    windows = zip(layer.kernel_size, layer.strides, strict=True)
    if layer.padding == "same" and any(n % 2 == 0 or (n > 1 and stride > 1) for n, stride in windows):
        got = f"kernel_size={layer.kernel_size}, strides={layer.strides}"
        raise _pads_otherwise(layer, "no strides, and odd sizes", got)


def check_pools(model: Any, origin: Origin) -> None:
    """Raise UnsupportedError where pools of the model had other windows on Theano.

    Keras padded there by size - 2 on both sides if the size is odd, else by size - 1.
    """
    pools = (
        layer for layer in model._flatten_layers() if isinstance(layer, Pooling) and layer.padding == "same"
    )
    for pool in pools if origin.backend == "theano" else ():
        if not set(zip(pool.pool_size, pool.strides, strict=True)) <= {(1, 1), (3, 1)}:
            got = f"pool_size={pool.pool_size}, strides={pool.strides}"
            raise _pads_otherwise(pool, "a size of 3 and no strides", got)


def _pads_otherwise(layer: Any, expected: str, got: str) -> UnsupportedError:
    message = (
        'the weights are from Theano, which pads in other places where padding="same" meets such windows'
    )
    return UnsupportedError(describe(message, expected=expected, got=got, where=layer.name))


def _turned(kernel: Source, n: int) -> Array:
    return np.flip(kernel.read(), tuple(range(n)))


def _joined(sources: Sequence[Source], order: Sequence[int]) -> list[Source]:
    """Kernel, recurrent kernel and bias of W, U, b of each gate, with the gates in the order of today."""

    def join(parts: list[Source]) -> Made:
        if not all(part.shape for part in parts):
            raise FileError(describe("a weight of a recurrent layer is a single number", expected="an array"))
        shape = (*parts[0].shape[:-1], sum(part.shape[-1] for part in parts))
        return Made(shape, lambda: np.concatenate([part.read() for part in parts], axis=-1))

    return [join([sources[3 * gate + kind] for gate in order]) for kind in range(3)]


def _conv_lstm(layer: ConvLSTMCell, sources: list[Source], origin: Origin) -> list[Source]:
    """Kernel, recurrent kernel and bias of a convolutional LSTM, whose recurrent convolution pads "same" always."""
    if len(sources) == 3 * layer.gates:
        if layer.data_format == "channels_first":
            axes = (*range(2, 2 + layer.spatial), 1, 0)
            sources = [
                _moved(source, axes) if len(source.shape) == len(axes) else source for source in sources
            ]
        sources = _joined(sources, (0, 2, 1, 3))
    if origin.backend != "theano":
        return sources
    _check_padding(layer)
    if any(size % 2 == 0 for size in layer.kernel_size):
        raise _pads_otherwise(layer, "odd sizes", f"kernel_size={layer.kernel_size}")
    turned = [Made(kernel.shape, partial(_turned, kernel, layer.spatial)) for kernel in sources[:2]]
    return [*turned, *sources[2:]]


def _moved(source: Source, axes: Sequence[int]) -> Made:
    shape = tuple(source.shape[axis] for axis in axes)
    return Made(shape, partial(_rearranged, source, axes, shape))


def _from_cudnn(layer: Any, sources: list[Source]) -> list[Source]:
    """CuDNNLSTM and CuDNNGRU as LSTM and GRU(reset_after=True); they are known by a bias twice as long."""
    units, gates = layer.units, layer.gates
    if len(sources) != 3 or sources[2].shape != (2 * gates * units,):
        return sources
    both = Made((2, gates * units), lambda: sources[2].read().reshape(2, -1))
    summed = Made((gates * units,), lambda: both.read().sum(0))
    return [
        _turned_gates(sources[0], gates, lambda k: k.T.reshape(k.shape, order="F")),
        _turned_gates(sources[1], gates, np.transpose),
        both
        if getattr(layer, "reset_after", False)
        else summed
        if isinstance(layer, LSTMCell)
        else sources[2],
    ]


def _to_cudnn(layer: CuDNNCell, sources: list[Source]) -> list[Source]:
    """LSTM and GRU(reset_after=True) as CuDNNLSTM and CuDNNGRU: either product has half of an LSTM's bias."""
    units, gates = layer.units, layer.gates
    plain = (gates * units,) if isinstance(layer, LSTMCell) else (2, gates * units)
    if len(sources) != 3 or sources[2].shape != plain:
        return sources
    return [
        _turned_gates(sources[0], gates, lambda k: k.T.reshape(k.shape)),
        _turned_gates(sources[1], gates, np.transpose),
        Made(
            layer.bias_shape,
            lambda: np.ravel(sources[2].read()) if len(plain) == 2 else np.tile(sources[2].read() / 2, 2),
        ),
    ]


def _turned_gates(kernel: Source, gates: int, change: Callable[[Array], Array]) -> Made:
    return Made(kernel.shape, lambda: _each_gate(kernel.read(), gates, change))


def _each_gate(kernel: Array, gates: int, change: Callable[[Array], Array]) -> Array:
    return np.concatenate([change(part) for part in np.split(kernel, gates, axis=1)], axis=1)


def _kernel(layer: Any, kernel: Source, origin: Origin) -> Source:
    """The kernel of a convolution, from what Keras 1 had where that makes the shape the layer has."""
    if origin.version > 1:
        return kernel
    wanted, n = layer.kernel.shape, layer.spatial
    padded = (wanted[0], 1, *wanted[1:]) if n == 1 else wanted
    for axes in _old_axes(isinstance(layer, ConvTranspose), n, layer.data_format == "channels_first"):
        if len(axes) == len(kernel.shape) and tuple(kernel.shape[axis] for axis in axes) == padded:
            return Made(wanted, partial(_rearranged, kernel, axes, wanted))
    return kernel


def _old_axes(transposed: bool, n: int, channels_first: bool) -> list[tuple[int, ...]]:
    """Where Keras 1 had the axes of today's kernel, for convolution over n axes."""
    if n == 1:
        return [(0, 1, 2, 3), (2, 3, 1, 0)]
    last, size = (0, 1) if transposed else (1, 0), range(2, 2 + n)
    if channels_first:
        return [(*size, *last)]
    return [(*range(n), n + 1, n)] if transposed else []


def _rearranged(source: Source, axes: Sequence[int], shape: tuple[int, ...]) -> Array:
    return source.read().transpose(axes).reshape(shape)
