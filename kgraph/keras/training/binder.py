"""`Binder`: from data as users hand it over to compiled steps with arrays that fit."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from kgraph.errors import DataError, describe
from kgraph.ir.graph import Input
from kgraph.ir.types import Array
from kgraph.keras.tensor import Tensor
from kgraph.keras.training.arguments import shuffled, whole_number
from kgraph.keras.training.batches import make_batches, peek, unpack_batch
from kgraph.keras.training.data import count_samples, refuse_batches
from kgraph.keras.training.feed import Feed, input_arrays, refuse_data, target_arrays
from kgraph.keras.training.loop import Run
from kgraph.keras.training.program import Training
from kgraph.keras.training.source import ArraySource, BatchSource, Source, TensorSource
from kgraph.keras.training.weighting import sample_weights
from kgraph.keras.utils.fetching import Fetching


class Binder:
    """What the training methods share: reading data, checking it against the model, finding the step for it."""

    name: str
    inputs: list[Tensor]
    input_names: list[str]
    output_names: list[str]

    @abstractmethod
    def _prepare(self) -> Training:
        """What `compile` has chosen, for the model as it is now."""

    @abstractmethod
    def _build_from_data(self, x: Any) -> None:
        """Give a model without input shape the one of its first data."""

    @property
    def input_names_fed(self) -> list[str]:
        """The names of the inputs that data is given for."""
        return [n for n, t in zip(self.input_names, self.inputs, strict=True) if isinstance(t.value, Input)]

    def _feed(self, x: Any, y: Any, sample_weight: Any) -> Feed:
        """Data as named arrays, checked. A model without input shape is built from the first data it sees."""
        inputs = self._inputs_by_name(x)
        training = self._prepare()
        if training.own_targets and not training.fed:
            refuse_data(y, "targets")
        return Feed.of(
            inputs,
            target_arrays(y, self.output_names, training.fed),
            sample_weights(sample_weight, self.output_names, [o.name for o in training.trained]),
            self._fixed_batch_size(training.own_targets),
        )

    def _bind(self, kind: str, feed: Feed, batch_size: Any) -> Run:
        """The compiled step that takes such data, with the data."""
        training = self._prepare()
        fixed = self._fixed_batch_size(training.own_targets)
        size = self._batch_size(batch_size, fixed)
        self._check_batch(feed.size, size, fixed)
        traced = training.step(kind, frozenset(feed.weights), feed.target_shapes)
        data = feed.data(traced, size)
        return Run(training.executable(traced), kind, data)

    def _source(
        self, kind: str, feed: Feed, batch_size: Any, steps: int | None, shuffle: Any = False
    ) -> Source:
        """Data that are all there, bound to a step.

        Rows of arrays beside tensors belong to the rows of these, so only whole batches change places.
        """
        run = self._bind(kind, feed, batch_size)
        if not run.data.arrays:
            return TensorSource(run, steps)
        if not isinstance(shuffle, str) and self._has_own_data():
            shuffle = False
        return ArraySource(run, steps, lambda: self._shuffled(run.data.size, run.data.batch_size, shuffle))

    def _has_own_data(self) -> bool:
        """Whether some inputs or targets are tensors that have values of their own."""
        return len(self.input_names_fed) < len(self.inputs) or bool(self._prepare().own_targets)

    def _stream(
        self,
        kind: str,
        data: Any,
        limit: int | None,
        fetching: Fetching,
        epochs: int = 1,
        shuffle: Any = False,
        class_weight: Any = None,
        see_first: bool = False,
    ) -> Source:
        """Data that come batch by batch, for so many epochs; each batch is bound to a step when its turn comes.

        The first one is bound at once if `see_first` asks for it, or the model has to be built.
        """
        name = type(data).__name__

        def bind(batch: Any) -> Run:
            feed = self._feed(*unpack_batch(batch, name)).weighted_by_class(class_weight)
            return self._bind(kind, feed, feed.size)

        if see_first or not self.inputs:
            first, data = peek(data)
            bind(first)
        most = None if limit is None else limit * epochs
        batches = make_batches(data, limit, fetching, lambda count: self._shuffled(count, 1, shuffle), most)
        return BatchSource(name, batches, bind)

    def _shuffled(self, size: int, batch_size: int, shuffle: Any) -> Array | None:
        """The order of the samples for one pass, drawn from the random state of the model."""
        return shuffled(size, batch_size, shuffle, self._prepare().shuffler)

    def _inputs_by_name(self, x: Any) -> dict[str, Array]:
        refuse_batches(x, "input")
        if not self.inputs:
            self._build_from_data(x)
        leaves = [t.value for t in self.inputs if isinstance(t.value, Input)]
        return input_arrays(x, leaves, self.input_names_fed)

    def _prediction_data(self, x: Any) -> tuple[list[Array], int]:
        inputs = self._inputs_by_name(x)
        # A model whose inputs are all tensors that exist already has nothing to feed.
        size = count_samples(inputs) if inputs else self._fixed_batch_size() or 1
        return list(inputs.values()), size

    def _fixed_batch_size(self, targets: Sequence[Tensor] = ()) -> int | None:
        """The batch size that the inputs have, or else the targets; None when it varies."""
        sizes = [t.dims[0] for t in (*self.inputs, *targets) if t.dims and isinstance(t.dims[0], int)]
        return sizes[0] if sizes else None

    def _batch_size(self, given: Any, fixed: int | None) -> int:
        """The batch size asked for; when none is, the fixed one, or 32."""
        return (fixed or 32) if given is None else whole_number(given, "batch_size", 1)

    def _check_batch(self, samples: int, batch: int, fixed: int | None) -> None:
        """A model with a fixed batch size takes whole batches of exactly that size."""
        if fixed is not None and (samples % fixed or batch != fixed):
            raise DataError(
                describe(
                    f"model {self.name} has a fixed batch size",
                    expected=f"batch_size={fixed} and a multiple of {fixed} samples",
                    got=f"batch_size={batch} and {samples} samples",
                )
            )
