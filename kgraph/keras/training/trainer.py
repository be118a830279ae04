"""`Trainer`: compile, fit, evaluate, predict and their one-batch forms, for models."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import repeat
from typing import Any

from kgraph import compiler
from kgraph.errors import ArgumentTypeError, NotCompiledError, describe
from kgraph.ir.types import Array
from kgraph.keras import optimizers
from kgraph.keras.callbacks.base import flat_callbacks
from kgraph.keras.callbacks.several import CallbackList
from kgraph.keras.optimizers.loss_scale import can_scale
from kgraph.keras.tensor import Tensor, Variable
from kgraph.keras.training.arguments import (
    as_result,
    check_frequency,
    check_shuffle,
    is_due,
    old_keyword,
    refuse_beside_batches,
    step_count,
    unpack_validation,
    verbosity,
    whole_number,
)
from kgraph.keras.training.batches import is_batches, make_batches, no_batches, unpack_batch
from kgraph.keras.training.binder import Binder
from kgraph.keras.training.loop import Around, as_logs, interruptible, predict_each, run_once
from kgraph.keras.training.objective import check_identifiers, make_objectives
from kgraph.keras.training.program import Training, trace_predict
from kgraph.keras.training.source import Source
from kgraph.keras.utils.fetching import Fetching


class Trainer(Binder):
    """The training methods of `Model`. The semantics are Keras's."""

    name: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    input_names: list[str]
    output_names: list[str]
    _nested_outputs: Any = None
    stop_training: bool = False
    optimizer: Any = None
    loss: Any = None
    history: Any = None
    _training: Training | None = None
    _starts_at: tuple[int, int] = (0, 0)
    """Epoch and batch that training begins with. A callback that restores an interrupted training sets it."""
    _predictor: Any = None
    _compile_arguments: dict[str, Any] | None = None

    # -- compile

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        sample_weight_mode: Any = None,
        weighted_metrics: Any = None,
        target_tensors: Any = None,
        **kwargs: Any,
    ) -> None:
        """Choose what and how to train. What is `trainable` now is what will be trained.

        Args: `optimizer` and `loss` as names, objects or functions; `loss`, `metrics`, `loss_weights`,
        `weighted_metrics`, `sample_weight_mode` one for all outputs, a list in order, or a dict by output name. In
        mixed precision with float16 the optimizer is put into a `LossScaleOptimizer`, unless `auto_scale_loss` is off.
        `target_tensors`, in the same forms, are the targets, which are then not fed: variables, random tensors and the
        like; or placeholders that they are fed to.
        Raises ArgumentError (a ValueError) for identifiers and outputs that do not exist.
        """
        for name in kwargs:
            if name not in ("run_eagerly", "jit_compile", "steps_per_execution", "auto_scale_loss"):
                raise ArgumentTypeError(
                    describe("compile: unknown keyword argument", got=name, where=self.name)
                )
        arguments = {
            "loss": loss,
            "metrics": metrics,
            "loss_weights": loss_weights,
            "weighted_metrics": weighted_metrics,
            "sample_weight_mode": sample_weight_mode,
            "target_tensors": target_tensors,
        }
        check_identifiers(loss, metrics, weighted_metrics)
        chosen = optimizers.get(optimizer)
        scaled = kwargs.get("auto_scale_loss", True) and self.dtype_policy.name == "mixed_float16"
        if scaled and can_scale(chosen):
            chosen = optimizers.LossScaleOptimizer(chosen)
        # Nothing is changed before all of it is known to be right.
        training = self._make_training(arguments, chosen) if self.inputs else None
        self.optimizer, self.loss, self._compile_arguments, self._training = chosen, loss, arguments, training

    def _make_training(self, arguments: dict[str, Any], optimizer: Any) -> Training:
        return Training(self, make_objectives(self.output_names, self.outputs, **arguments), optimizer)

    def _prepare(self) -> Training:
        if self._training is None:
            self._training = self._make_training(self._require_compiled(), self.optimizer)
        return self._training

    def _make_optimizer_state(self) -> None:
        """Make the variables of the optimizer now, before the first step would: a file has their values."""
        training = self._prepare()
        if type(self.optimizer).get_updates is optimizers.Optimizer.get_updates:
            self.optimizer._build_for(training.trainable)
        else:  # one that makes them while it is traced
            training.step("train_step", frozenset(), {})

    def _require_compiled(self) -> dict[str, Any]:
        if self._compile_arguments is None:
            raise NotCompiledError(
                describe(
                    f"model {self.name} must be compiled before it is trained or evaluated",
                    expected="model.compile(optimizer, loss) first",
                )
            )
        return self._compile_arguments

    @property
    def _random_state(self) -> Variable | None:
        """What training draws its random numbers and its shuffles from; None until it is known what is trained."""
        return self._training.rng if self._training is not None else None

    def _forget_compiled(self) -> None:
        """The graph has changed: build the functions again when they are next needed."""
        self._training = None
        self._predictor = None

    @property
    def metrics(self) -> list[Any]:
        """The metric objects of all outputs. Empty before compile."""
        objectives = self._training.objectives if self._training is not None else []
        return [metric for o in objectives for metric in [*o.metrics, *o.weighted_metrics]]

    @property
    def metrics_names(self) -> list[str]:
        """The names of what evaluate and train_on_batch return. Raises NotCompiledError before compile."""
        return list(self._prepare().metrics_names)

    def reset_metrics(self) -> None:
        """Start the running means and counts of all metrics anew."""
        self._prepare().reset()

    # -- fit

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = 1,
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        validation_batch_size: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Train for `epochs` passes over the data; a History with the numbers of each epoch.

        Args: `x`, `y` arrays, lists of arrays or dicts by name; `batch_size` (32); `validation_split` the last
        fraction of the samples, taken before shuffling; `validation_data` (x, y) or (x, y, sample_weight);
        `shuffle` the samples before each epoch, or the batches with "batch"; `class_weight` and `sample_weight`
        scale the loss; `epochs` is the number of the last epoch when `initial_epoch` is not 0.

        `x` and `validation_data` may also come batch by batch, as x, (x, y) or (x, y, sample_weight): from a
        generator, a `keras.utils.Sequence`, whose batches are shuffled, or another iterable. An epoch is then all
        there is, or `steps_per_epoch` batches; `validation_steps` says the same of `validation_data`. `workers`
        threads fetch up to `max_queue_size` batches ahead, in order; with 0 each is fetched when its turn comes, and a
        generator has one thread at most. With `use_multiprocessing` they are processes, which get a Sequence pickled
        and import the program anew: what that does by itself must stand behind `if __name__ == "__main__":`.

        Inputs made of tensors (`Input(tensor=…)`) and `target_tensors` are not fed: `x` and `y` leave them out, and are
        None when there is nothing else. Every step computes the tensors anew, and `steps_per_epoch` says how many an
        epoch has; arrays beside them have batches of their size, whose samples are not shuffled.

        Raises NotCompiledError before compile, DataError for data that does not fit.
        """
        epochs = old_keyword(kwargs, "nb_epoch", "epochs", epochs)
        if kwargs:
            raise ArgumentTypeError(
                describe("fit: unknown keyword argument", got=", ".join(kwargs), where=self.name)
            )
        wanted = range(whole_number(initial_epoch, "initial_epoch", 0), whole_number(epochs, "epochs", 0))
        steps, check_steps = (
            step_count(steps_per_epoch, "steps_per_epoch"),
            step_count(validation_steps, "validation_steps"),
        )
        fetching = Fetching(workers, max_queue_size, use_multiprocessing)
        level = verbosity(verbose)
        check_shuffle(shuffle)
        check_frequency(validation_freq)
        self._require_compiled()
        source: Source
        held_out = None
        if is_batches(x):
            split = validation_split or None
            refuse_beside_batches(
                x, y=y, batch_size=batch_size, sample_weight=sample_weight, validation_split=split
            )
            see_first = any(callback.needs_state for callback in flat_callbacks(callbacks))
            source = self._stream(
                "train_step", x, steps, fetching, len(wanted), shuffle, class_weight, see_first
            )
        else:
            feed = self._feed(x, y, sample_weight)
            if validation_data is None and validation_split:
                feed, held_out = feed.split(validation_split)
            feed = feed.weighted_by_class(class_weight)
            source = self._source("train_step", feed, batch_size, steps, shuffle)
        check: Source | None = None
        if is_batches(validation_data):
            check = self._stream("eval_step", validation_data, check_steps, fetching, len(wanted))
        elif validation_data is not None:
            held_out = self._feed(*unpack_validation(validation_data))
        if held_out is not None:
            size = validation_batch_size or source.batch_size
            check = self._source("eval_step", held_out, size, check_steps)
        names = self._prepare().metrics_names
        params = {
            "batch_size": source.batch_size,
            "epochs": wanted.stop,
            "steps": source.steps,
            "samples": source.samples,
            "verbose": level,
            "do_validation": check is not None,
            "metrics": [*names, *(f"val_{name}" for name in names if check is not None)],
        }
        hooks = CallbackList(callbacks, True, bool(level), self, **params)
        with closing(source), closing(check or source):
            self._run_epochs(wanted, source, check, hooks, validation_freq)
        return self.history

    def _run_epochs(
        self, epochs: range, source: Source, check: Source | None, hooks: CallbackList, frequency: Any
    ) -> None:
        training = self._prepare()
        names = training.metrics_names
        on_begin, on_end = hooks.batch_begin("train"), hooks.batch_end("train", names)
        self.stop_training = False
        self._starts_at = epochs.start, 0
        logs: dict[str, float] = {}
        hooks.on_train_begin()
        first_epoch, first_batch = self._starts_at
        with interruptible() as interrupt:
            around = Around(interrupt, on_begin, on_end, lambda: self.stop_training)
            for epoch in range(first_epoch, epochs.stop):
                self.reset_metrics()
                training.shuffled_from = None
                hooks.on_epoch_begin(epoch)
                numbers = source.run_epoch(around, first_batch)
                first_batch = 0
                if numbers is None:
                    _end_early(source.kind, epoch - first_epoch)
                    break
                logs = as_logs(names, numbers)
                if check is not None and is_due(frequency, epoch):
                    found = self._evaluate(check, hooks, interrupt)
                    logs |= {f"val_{name}": number for name, number in as_logs(names, found).items()}
                hooks.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
        hooks.on_train_end(logs)

    def _evaluate(self, source: Source, hooks: CallbackList, interrupt: Any) -> Array:
        """Run an evaluation step over all batches, with the hooks of testing; the numbers."""
        names = self._prepare().metrics_names
        self.reset_metrics()
        hooks.on_test_begin()
        source.rewind()
        around = Around(interrupt, hooks.batch_begin("test"), hooks.batch_end("test", names))
        numbers = source.run_epoch(around)
        if numbers is None:
            raise no_batches(source.kind)
        hooks.on_test_end(as_logs(names, numbers))
        return numbers

    # -- evaluate and predict

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = 1,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        return_dict: bool = False,
    ) -> Any:
        """The loss and the metrics on data, without training behaviour: one number, or a list as in `metrics_names`.

        Regularisers and class weights act in training only, so the loss is that of the outputs and of `add_loss`.
        `x` may come batch by batch, or from tensors, as in `fit`; of all kinds of data, `steps` batches are used, or
        all there are.
        Raises NotCompiledError before compile, DataError for data that does not fit.
        """
        steps, fetching = step_count(steps, "steps"), Fetching(workers, max_queue_size, use_multiprocessing)
        self._require_compiled()
        source: Source
        if is_batches(x):
            refuse_beside_batches(x, y=y, batch_size=batch_size, sample_weight=sample_weight)
            source = self._stream("eval_step", x, steps, fetching)
        else:
            source = self._source("eval_step", self._feed(x, y, sample_weight), batch_size, steps)
        names = self._prepare().metrics_names
        hooks = self._hooks(callbacks, verbosity(verbose), source.steps, source.samples, names)
        with closing(source), interruptible() as interrupt:
            numbers = self._evaluate(source, hooks, interrupt)
        return as_logs(names, numbers) if return_dict else as_result(numbers)

    def predict(
        self,
        x: Any = None,
        batch_size: int | None = None,
        verbose: Any = 0,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """The outputs for input data, computed in batches: an array, or a list of arrays.

        `x` may come batch by batch, as in `fit`; of a tuple the first part is used. `steps` is how many batches are
        used, of all kinds of data. Raises DataError for data that does not fit, or a number of samples that a stateful
        model cannot split evenly.
        """
        steps, fetching = step_count(steps, "steps"), Fetching(workers, max_queue_size, use_multiprocessing)
        level = verbosity(verbose)
        if is_batches(x):
            refuse_beside_batches(x, batch_size=batch_size)
            batches = make_batches(x, steps, fetching, most=steps)
            each = (self._prediction_data(unpack_batch(batch, "x")[0]) for batch in batches.epoch())
            with closing(batches):
                return self._predict_each(type(x).__name__, each, callbacks, level, batches.steps, None)
        arrays, size = self._prediction_data(x)
        if not arrays:  # all inputs are tensors, which every step computes anew
            return self._predict_each(
                "tensor", repeat(([], size), steps or 1), callbacks, level, steps or 1, None
            )
        fixed = self._fixed_batch_size()
        batch = self._batch_size(batch_size, fixed)
        self._check_batch(size, batch, fixed)
        size = min(size, batch * (steps or size))
        if not level and not callbacks and size <= batch:
            return self._as_given(
                self._predict_executable().run("predict", [array[:size] for array in arrays])
            )
        ranges = ((start, min(start + batch, size)) for start in range(0, size, batch))
        each = (([array[start:stop] for array in arrays], stop - start) for start, stop in ranges)
        return self._predict_each("array", each, callbacks, level, -(-size // batch), size)

    def _predict_each(
        self,
        kind: str,
        batches: Iterable[tuple[list[Array], int]],
        callbacks: Any,
        level: int,
        steps: int | None,
        samples: int | None,
    ) -> Any:
        """The outputs for batches of input arrays and their sizes, with the hooks of predicting."""
        hooks = self._hooks(callbacks, level, steps, samples, ())
        hooks.on_predict_begin()
        with interruptible() as interrupt:
            around = Around(interrupt, hooks.batch_begin("predict"), hooks.batch_end("predict"))
            outputs = predict_each(
                batches, lambda arrays: self._predict_executable().run("predict", arrays), around
            )
        if not outputs:
            raise no_batches(kind)
        hooks.on_predict_end()
        return self._as_given(outputs)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch."""
        arrays, size = self._prediction_data(x)
        self._check_batch(size, size, self._fixed_batch_size())
        outputs = self._predict_executable().run("predict", [array[:] for array in arrays])
        return self._as_given(outputs)

    def _as_given(self, outputs: list[Array]) -> Any:
        """One array, a list, or a dict by name when the model was made or called with one."""
        if isinstance(self._nested_outputs, dict):
            return dict(zip(self.output_names, outputs, strict=True))
        return outputs[0] if len(outputs) == 1 else outputs

    def _hooks(
        self, callbacks: Any, level: int, steps: int | None, samples: int | None, names: Sequence[str]
    ) -> CallbackList:
        params = {"steps": steps, "samples": samples, "verbose": level, "metrics": list(names), "epochs": 1}
        return CallbackList(callbacks, False, bool(level), self, **params)

    def _predict_executable(self) -> Any:
        if self._predictor is None:
            traced = trace_predict(self, self._training.rng if self._training is not None else None)
            self._predictor = compiler.compile_program([traced.function], freezable=["predict"])
        return self._predictor

    # -- one batch

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        reset_metrics: bool = True,
    ) -> Any:
        """One update on one batch; the loss, or a list as in `metrics_names`."""
        return self._on_batch("train_step", x, y, sample_weight, class_weight, reset_metrics)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, reset_metrics: bool = True
    ) -> Any:
        """The loss and the metrics on one batch."""
        return self._on_batch("eval_step", x, y, sample_weight, None, reset_metrics)

    def _on_batch(self, kind: str, x: Any, y: Any, weights: Any, class_weight: Any, reset: bool) -> Any:
        self._require_compiled()
        feed = self._feed(x, y, weights).weighted_by_class(class_weight)
        run = self._bind(kind, feed, feed.size)
        if reset:
            self.reset_metrics()
        return as_result(run_once(run))


def _end_early(kind: str, epochs: int) -> None:
    """Warn that there are no more batches after some epochs. Raises DataError when there was none at all."""
    if not epochs:
        raise no_batches(kind)
    warnings.warn(f"the {kind} ended after {epochs} epochs, and training with it", UserWarning, stacklevel=2)
