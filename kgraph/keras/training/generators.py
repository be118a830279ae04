"""`GeneratorMethods`: the names that fit, evaluate and predict had for data that come batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kgraph.errors import ArgumentTypeError, describe
from kgraph.keras.legacy import legacy
from kgraph.keras.training.batches import is_batches

WORKERS: Mapping[str, str] = MappingProxyType(
    {"max_queue_size": "max_q_size", "workers": "nb_worker", "use_multiprocessing": "pickle_safe"}
)
"""The old names of the arguments that say who fetches batches."""


class GeneratorMethods:
    """The methods that end in `_generator`. Today `fit`, `evaluate` and `predict` take the same data."""

    fit: Any
    evaluate: Any
    predict: Any

    @legacy(
        steps_per_epoch="samples_per_epoch",
        epochs="nb_epoch",
        validation_steps="nb_val_samples",
        **WORKERS,
    )
    def fit_generator(
        self,
        generator: Any,
        steps_per_epoch: int | None = None,
        epochs: int = 1,
        verbose: Any = 1,
        callbacks: Any = None,
        validation_data: Any = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
        class_weight: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        shuffle: Any = True,
        initial_epoch: int = 0,
    ) -> Any:
        """`fit` with a generator or a Sequence. Raises ArgumentTypeError for other data.

        The numbers that Keras 1 calls `samples_per_epoch` and `nb_val_samples` are taken as numbers of batches.
        """
        return self.fit(
            _batches(generator, "fit_generator"),
            steps_per_epoch=steps_per_epoch,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_data=validation_data,
            validation_steps=validation_steps,
            validation_freq=validation_freq,
            class_weight=class_weight,
            max_queue_size=max_queue_size,
            workers=workers,
            use_multiprocessing=use_multiprocessing,
            shuffle=shuffle,
            initial_epoch=initial_epoch,
        )

    @legacy(steps="val_samples", **WORKERS)
    def evaluate_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: Any = 0,
    ) -> Any:
        """`evaluate` with a generator or a Sequence. Raises ArgumentTypeError for other data."""
        return self.evaluate(
            _batches(generator, "evaluate_generator"),
            steps=steps,
            callbacks=callbacks,
            max_queue_size=max_queue_size,
            workers=workers,
            use_multiprocessing=use_multiprocessing,
            verbose=verbose,
        )

    @legacy(steps="val_samples", **WORKERS)
    def predict_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: Any = 0,
    ) -> Any:
        """`predict` with a generator or a Sequence. Raises ArgumentTypeError for other data."""
        return self.predict(
            _batches(generator, "predict_generator"),
            steps=steps,
            callbacks=callbacks,
            max_queue_size=max_queue_size,
            workers=workers,
            use_multiprocessing=use_multiprocessing,
            verbose=verbose,
        )


def _batches(data: Any, method: str) -> Any:
    if not is_batches(data):
        raise ArgumentTypeError(
            describe(
                f"{method} takes data that come batch by batch",
                expected="a generator or a Sequence; fit, evaluate and predict also take arrays",
                got=type(data).__name__,
            )
        )
    return data
