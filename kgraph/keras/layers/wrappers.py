"""Layers around a layer: TimeDistributed applies it to every step, Bidirectional walks it both ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from kgraph.errors import ArgumentError, ArgumentTypeError, describe
from kgraph.keras.layers.base import Layer
from kgraph.keras.layers.config import parameters_of
from kgraph.keras.layers.nodes import InputSpec, flatten
from kgraph.keras.layers.registry import deserialize, serialize
from kgraph.keras.tensor import Tensor
from kgraph.ops.broadcast import reshape
from kgraph.ops.elementwise import add, mul
from kgraph.ops.logic import cast
from kgraph.ops.reduce import reduce_max
from kgraph.ops.shape import Reverse, concat


class Wrapper(Layer):
    """A layer around another one."""

    supports_masking = True

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(layer, Layer):
            raise ArgumentTypeError(
                describe(f"{type(self).__name__} wraps a layer", expected="a Layer", got=repr(layer))
            )
        self.layer = layer

    @property
    def stateful(self) -> bool:  # type: ignore[override]  # a class attribute for plain layers
        return bool(self.layer.stateful)

    def reset_states(self) -> None:
        """Put the states of the layer back to zero."""
        if hasattr(self.layer, "reset_states"):
            self.layer.reset_states()

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layer": serialize(self.layer)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Any:
        return cls(**{**config, "layer": deserialize(config["layer"], custom_objects)})


class TimeDistributed(Wrapper):
    """Applies a layer to each step.   x [batch, time, *S] -> y [batch, time, *T] for a layer from [n, *S] to [n, *T].

    All steps of all samples form one batch, so what the layer does over a batch (as BatchNormalization does in
    training) it does over the steps as well. A mask of the steps stays; one that goes further reaches the layer.
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.input_spec = InputSpec(min_ndim=3)
        if not self._trainable:
            self.trainable = False

    def call(self, inputs: Tensor, training: Any = None, mask: Any = None) -> Any:
        given: dict[str, Any] = {"training": training} if training is not None else {}
        inner = self._inner_mask(mask)
        if inner is not None and "mask" in parameters_of(type(self.layer).call):
            given["mask"] = inner
        return self._unfold(self.layer(self._fold(inputs), **given), inputs)

    def compute_mask(self, inputs: Tensor, mask: Any = None) -> Any:
        inner = self._inner_mask(mask)
        if mask is None or inner is not None:
            made = self.layer.compute_mask(self._fold(inputs), inner)
            if made is not None:
                return self._unfold(made, inputs)
        if mask is None or mask.ndim == 2:
            return mask
        flags = cast(mask.value, "int32")
        return Tensor(cast(reduce_max(flags, tuple(range(2, mask.ndim))), "bool"))

    def _fold(self, x: Tensor) -> Tensor:
        batch, time, *rest = x.dims
        return Tensor(reshape(x.value, (batch * time, *rest)))

    def _unfold(self, y: Tensor, inputs: Tensor) -> Tensor:
        return Tensor(reshape(y.value, (*inputs.dims[:2], *y.dims[1:])))

    def _inner_mask(self, mask: Tensor | None) -> Tensor | None:
        return self._fold(mask) if mask is not None and mask.ndim > 2 else None


MERGES: Mapping[Any, Callable[[Any, Any], Any]] = MappingProxyType(
    {
        "concat": lambda a, b: concat([a, b], a.rank - 1),
        "sum": add,
        "ave": lambda a, b: mul(add(a, b), 0.5),
        "mul": mul,
    }
)
"""How the outputs of the two directions become one."""


class Bidirectional(Wrapper):
    """Walks a recurrent layer forwards and a copy of it backwards.

    `merge_mode` "concat", "sum", "ave" or "mul" makes one output of the two; None gives both. With `return_state` the
    states of the forward layer follow, then those of the backward one; an `initial_state` lists them in this order.
    `backward_layer` takes the place of the copy; it must differ in `go_backwards` and in nothing else that is seen.
    `weights` are those of the forward layer, then those of the backward one.
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        if merge_mode is not None and merge_mode not in MERGES:
            raise ArgumentError(
                describe(
                    "Bidirectional: unknown merge_mode",
                    expected=f"{', '.join(MERGES)} or None",
                    got=repr(merge_mode),
                )
            )
        if hasattr(layer, "batch_input_shape") and not kwargs.keys() & {"input_shape", "batch_input_shape"}:
            kwargs["batch_input_shape"] = layer.batch_input_shape
        super().__init__(layer, weights=weights, **kwargs)
        if not hasattr(layer, "go_backwards"):
            raise ArgumentTypeError(
                describe(
                    "Bidirectional walks a recurrent layer", expected="an RNN, LSTM, GRU …", got=repr(layer)
                )
            )
        self.merge_mode = merge_mode
        self.layer = self._copy(layer, "forward", go_backwards=layer.go_backwards)
        self._given_backward = backward_layer is not None
        self.backward_layer = backward_layer or self._copy(
            layer, "backward", go_backwards=not layer.go_backwards
        )
        self._check_layers()
        for inner in (self.layer, self.backward_layer):
            inner.zero_output_for_mask = self.return_sequences
        self.input_spec = layer.input_spec
        if not self._trainable:
            self.trainable = False

    @staticmethod
    def _copy(layer: Any, prefix: str, go_backwards: bool) -> Any:
        name = layer.name.removeprefix("forward_")
        config = {**layer.get_config(), "name": f"{prefix}_{name}", "go_backwards": go_backwards}
        return type(layer).from_config(config)

    def _check_layers(self) -> None:
        forward, backward = self.layer, self.backward_layer
        same = all(
            getattr(forward, a) == getattr(backward, a)
            for a in ("stateful", "return_sequences", "return_state")
        )
        if forward.go_backwards == backward.go_backwards or not same:
            raise ArgumentError(
                describe(
                    "Bidirectional: the layers do not fit each other",
                    expected="another go_backwards; the same stateful, return_sequences and return_state",
                    got=f"{forward!r} and {backward!r}",
                    where=self.name,
                )
            )

    @property
    def forward_layer(self) -> Any:
        """The layer that walks forwards."""
        return self.layer

    @property
    def return_sequences(self) -> bool:
        return bool(self.layer.return_sequences)

    @property
    def return_state(self) -> bool:
        return bool(self.layer.return_state)

    def reset_states(self) -> None:
        """Put the states of both layers back to zero."""
        self.layer.reset_states()
        self.backward_layer.reset_states()

    def _check_inputs(self, inputs: Any) -> None:
        super()._check_inputs(flatten(inputs)[0])

    def build(self, input_shape: Any) -> None:
        for layer in (self.layer, self.backward_layer):
            if not layer.built:
                layer.build(input_shape)
                layer.built = True
        self.built = True

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: Any = None,
        initial_state: Any = None,
        constants: Any = None,
    ) -> Any:
        if isinstance(inputs, list | tuple):
            inputs, *rest = flatten(inputs)
            initial_state = rest or initial_state
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        states = [None, None]
        if initial_state is not None:
            given = flatten(initial_state)
            states = [given[: len(given) // 2], given[len(given) // 2 :]]
        options = {"mask": mask, "training": training, "constants": constants}
        results = [
            _as_list(inner(inputs, initial_state=state, **options))
            for inner, state in zip((self.layer, self.backward_layer), states, strict=True)
        ]
        (forward, *forward_states), (backward, *backward_states) = results
        if self.return_sequences:
            backward = Tensor(Reverse((1,))(backward.value))
        outputs = [forward, backward]
        if self.merge_mode is not None:
            outputs = [Tensor(MERGES[self.merge_mode](forward.value, backward.value))]
        outputs += [*forward_states, *backward_states]
        return outputs if len(outputs) > 1 else outputs[0]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        outputs = 1 if self.merge_mode is not None else 2
        # The masks of states, of which there are as many as it takes, are None.
        masks = [mask if self.return_sequences else None] * outputs
        if self.return_state:
            states = flatten(self.layer.compute_mask(inputs, mask))[1:]
            masks += [*states, *states]
        return masks if len(masks) > 1 else masks[0]

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "merge_mode": self.merge_mode}
        if self._given_backward:
            config["backward_layer"] = serialize(self.backward_layer)
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Any:
        backward = config.get("backward_layer")
        if backward is not None:
            config = {**config, "backward_layer": deserialize(backward, custom_objects)}
        return super().from_config(config, custom_objects)


def _as_list(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]
