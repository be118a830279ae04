"""The names of layers that were given none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kgraph.keras.utils import naming


@pytest.fixture(autouse=True)
def numbers_come_back() -> Iterator[None]:
    before = dict(naming._last)
    naming.reset_uids()
    yield
    naming.reset_uids()
    naming._last.update(before)


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("Dense", "dense"),
        ("LSTM", "lstm"),
        ("GRU", "gru"),
        ("ELU", "elu"),
        ("ReLU", "re_lu"),
        ("PReLU", "p_re_lu"),
        ("LeakyReLU", "leaky_re_lu"),
        ("Conv2D", "conv2d"),
        ("Conv2DTranspose", "conv2d_transpose"),
        ("SeparableConv1D", "separable_conv1d"),
        ("ConvLSTM2D", "conv_lst_m2d"),
        ("CuDNNGRU", "cu_dnngru"),
        ("ZeroPadding2D", "zero_padding2d"),
        ("UpSampling3D", "up_sampling3d"),
        ("GlobalAveragePooling2D", "global_average_pooling2d"),
        ("MaxPooling1D", "max_pooling1d"),
        ("BatchNormalization", "batch_normalization"),
        ("TimeDistributed", "time_distributed"),
        ("SimpleRNNCell", "simple_rnn_cell"),
        ("RNN", "rnn"),
        ("InputLayer", "input_layer"),
        ("my_layer", "my_layer"),
        ("_Hidden", "private__hidden"),
    ],
)
def test_class_names_become_the_names_that_weight_files_have(name: str, snake: str) -> None:
    assert naming.to_snake_case(name) == snake


def test_each_prefix_counts_from_one() -> None:
    names = [naming.unique_name(prefix) for prefix in ("dense", "dense", "conv2d", "dense")]
    assert names == ["dense_1", "dense_2", "conv2d_1", "dense_3"]
    naming.reset_uids()
    assert naming.next_uid("dense") == 1
