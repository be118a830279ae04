"""Batches of images from arrays, in orders and with draws that a seed fixes, and what models learn from them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgraph.errors import ArgumentError, DataError, UnsupportedError
from kgraph.keras import Sequential, layers
from kgraph.keras.preprocessing.image import ImageDataGenerator, Iterator, NumpyArrayIterator, load_img
from kgraph.keras.utils import Sequence, set_random_seed

IMAGES = np.random.default_rng(0).uniform(0, 255, (11, 6, 7, 3)).astype("float32")
LABELS = np.arange(11)


def varied(**settings: Any) -> NumpyArrayIterator:
    generator = ImageDataGenerator(rotation_range=30, horizontal_flip=True, brightness_range=(0.5, 1))
    return generator.flow(IMAGES, LABELS, batch_size=4, **settings)


def assert_same(ours: Any, theirs: Any) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_batch_is_the_same_by_number_in_any_order_and_by_next(shuffle: bool) -> None:
    by_next, forwards, backwards = (varied(seed=3, shuffle=shuffle) for _ in range(3))
    orders = []
    for _ in range(3):
        epoch = [next(by_next) for _ in range(3)]
        others = {index: backwards[index] for index in (2, 0, 1, -1)}
        for index, batch in enumerate(epoch):
            assert_same(forwards[index], batch)
            assert_same(others[index], batch)
        assert_same(others[-1], epoch[-1])
        orders.append(np.concatenate([labels for _, labels in epoch]).tolist())
        assert sorted(orders[-1]) == LABELS.tolist()
        forwards.on_epoch_end()
        backwards.on_epoch_end()
    assert (orders[0] != orders[1]) is shuffle
    assert (orders[0] == LABELS.tolist()) is not shuffle


def test_a_seed_leaves_numpys_generator_alone() -> None:
    np.random.seed(1)
    flow = varied(seed=3)
    next(flow)
    flow[1]
    drawn = np.random.uniform()
    np.random.seed(1)
    assert drawn == np.random.uniform()


def test_without_a_seed_the_draws_are_numpys() -> None:
    runs = []
    for _ in range(2):
        np.random.seed(2)
        flow = varied()
        runs.append([flow[0], next(flow), next(flow)])
    for ours, theirs in zip(*runs, strict=True):
        assert_same(ours, theirs)
    assert not np.array_equal(runs[0][0][0], runs[0][1][0])


def test_a_copy_goes_on_the_same() -> None:
    flow = varied(seed=5)
    next(flow)
    assert_same(next(copy.deepcopy(flow)), next(flow))


def test_reset_begins_an_epoch() -> None:
    flow = varied(shuffle=False)
    assert [next(flow)[1].tolist()[0] for _ in range(2)] == [0, 4]
    flow.reset()
    assert next(flow)[1].tolist() == [0, 1, 2, 3]
    assert iter(flow) is flow
    assert isinstance(flow, Sequence)
    assert len(flow) == 3


def test_what_belongs_to_images_comes_with_them() -> None:
    weights, other = LABELS / 10, LABELS[:, None] * 2
    generator = ImageDataGenerator()
    images, labels, weighted = generator.flow(IMAGES, LABELS, 5, sample_weight=weights, seed=1)[0]
    np.testing.assert_array_equal(images, IMAGES[labels])
    np.testing.assert_array_equal(weighted, labels / 10)
    (images, first, second), labels = generator.flow((IMAGES, [other, weights]), LABELS, 5, seed=1)[1]
    np.testing.assert_array_equal(images, IMAGES[labels])
    np.testing.assert_array_equal(first[:, 0], labels * 2)
    np.testing.assert_array_equal(second, labels / 10)
    only = generator.flow(IMAGES, batch_size=20, shuffle=False)[0]
    np.testing.assert_array_equal(only, IMAGES)
    alone = generator.flow([IMAGES, other], shuffle=False)[0]
    np.testing.assert_array_equal(alone[1], other)


def test_the_images_themselves_do_not_change() -> None:
    before = IMAGES.copy()
    ImageDataGenerator(rescale=0.5).flow(IMAGES, seed=0)[0]
    np.testing.assert_array_equal(IMAGES, before)


def test_subsets_divide_samples_with_all_that_belongs_to_them() -> None:
    generator = ImageDataGenerator(validation_split=0.3)
    settings: dict[str, Any] = {"sample_weight": LABELS / 10, "shuffle": False, "ignore_class_split": True}
    for subset, rows in (("validation", slice(0, 3)), ("training", slice(3, 11))):
        images, labels, weights = generator.flow(IMAGES, LABELS, subset=subset, **settings)[0]
        np.testing.assert_array_equal(images, IMAGES[rows])
        np.testing.assert_array_equal(labels, LABELS[rows])
        np.testing.assert_array_equal(weights, LABELS[rows] / 10)
    with pytest.raises(ArgumentError, match="ignore_class_split"):
        generator.flow(IMAGES, LABELS, subset="training")


def test_batches_are_written_where_they_are_asked_for(tmp_path: Path) -> None:
    flow = ImageDataGenerator().flow(IMAGES, seed=0, batch_size=4, save_to_dir=tmp_path, save_prefix="it")
    flow[0]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name.split("_")[:2] for name in names] == [
        ["it", str(row)] for row in sorted(flow.index_array[:4], key=str)
    ]
    assert load_img(tmp_path / names[0]).size == (7, 6)


class Halves(Iterator):
    """Numbers, and noise from the draws of the batch."""

    def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
        return index_array / 2, (self.random or np.random).uniform(size=len(index_array))


def test_an_iterator_of_ones_own_makes_its_batches() -> None:
    first, second = Halves(5, 2, False, 4), Halves(5, 2, False, 4)
    assert [numbers.tolist() for numbers, _ in (first[0], first[1], first[2])] == [[0, 0.5], [1, 1.5], [2]]
    assert_same(first[1], second[1])
    assert Halves(2, 2, False, None)[0][1].shape == (2,)
    with pytest.raises(UnsupportedError, match="_get_batches"):
        Iterator(3, 1, False, None)[0]


@pytest.mark.filterwarnings("ignore:images with:UserWarning")
@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda g: g.flow(IMAGES, LABELS[:-1]), DataError, "y does not match"),
        (lambda g: g.flow(IMAGES, LABELS, sample_weight=[1]), DataError, "sample_weight does not match"),
        (lambda g: g.flow((IMAGES, LABELS[1:])), DataError, "x does not match"),
        (lambda g: g.flow([IMAGES]), DataError, "images, others"),
        (lambda g: g.flow(IMAGES[0]), DataError, "rank 4"),
        (lambda g: g.flow(None), DataError, "rank 4"),
        (lambda g: g.flow(np.full((2, 2, 2, 1), "a")), DataError, "an array of numbers"),
        (lambda g: g.flow(IMAGES[:0]), DataError, "there are no images"),
        (lambda g: g.flow(IMAGES, subset="validation"), DataError, "none for validation"),
        (lambda g: g.flow(IMAGES, subset="test"), ArgumentError, "'training'"),
        (lambda g: g.flow(IMAGES, batch_size=0), ArgumentError, "batch_size"),
        (lambda g: g.flow(IMAGES, batch_size=2.5), ArgumentError, "batch_size"),
        (lambda g: g.flow(IMAGES, seed=-1), ArgumentError, "seed"),
        (lambda g: g.flow(IMAGES, seed="a"), ArgumentError, "seed"),
        (lambda g: g.flow(IMAGES, seed=2**32), ArgumentError, "seed"),
        (lambda g: g.flow(IMAGES)[1], ArgumentError, "no such batch"),
        (lambda g: NumpyArrayIterator(IMAGES, None, g, data_format="last"), ArgumentError, "data_format"),
    ],
)
def test_arrays_that_do_not_match_are_named(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call(ImageDataGenerator())


def test_channels_in_another_place_are_noticed() -> None:
    with pytest.warns(UserWarning, match="7 channels"):
        ImageDataGenerator().flow(IMAGES.transpose(0, 3, 1, 2))


def bright_and_dark() -> tuple[Any, Any]:
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, 48)
    return random.uniform(0, 120, (48, 8, 8, 1)) + 120 * labels[:, None, None, None], labels


def learned(method: str = "fit", seed: int | None = 7, **settings: Any) -> list[float]:
    set_random_seed(3)
    x, y = bright_and_dark()
    generator = ImageDataGenerator(rescale=1 / 255, rotation_range=20, horizontal_flip=True, zoom_range=0.2)
    model = Sequential(
        [
            layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 1)),
            layers.GlobalAveragePooling2D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model.optimizer.learning_rate = 0.05
    flow = generator.flow(x, y, batch_size=16, seed=seed)
    history = getattr(model, method)(flow, epochs=12, verbose=0, **settings).history
    assert history["accuracy"][-1] > 0.9
    return history["loss"]


def test_a_model_learns_the_same_whoever_fetches_the_batches() -> None:
    losses = learned(workers=0)
    assert losses[-1] < losses[0] / 2
    assert learned(workers=1) == learned(workers=3) == losses
    assert learned("fit_generator", workers=2) == losses


def test_processes_fetch_the_same_batches() -> None:
    flow = varied(seed=2)
    expected = [flow[index] for index in range(3)]
    model = Sequential([layers.Flatten(input_shape=(6, 7, 3)), layers.Dense(1, use_bias=False)])
    predicted = model.predict(flow, workers=2, use_multiprocessing=True)
    inputs = np.concatenate([x for x, _ in expected])
    np.testing.assert_array_equal(predicted, model.predict(inputs, batch_size=4))


def test_without_a_seed_that_of_the_program_is_enough() -> None:
    losses = learned(seed=None)
    assert losses == learned(seed=None)
