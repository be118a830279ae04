"""The import paths of programs in the wild, old ones included."""

from __future__ import annotations

import importlib

import pytest

from kgraph.keras import layers

PATHS = {
    "advanced_activations": "LeakyReLU PReLU ELU ThresholdedReLU Softmax ReLU",
    "convolutional": "Conv1D Conv2D Conv3D Conv2DTranspose Convolution1D Convolution2D MaxPooling2D AveragePooling2D"
    " ZeroPadding2D UpSampling2D Cropping2D",
    "convolutional_recurrent": "ConvLSTM2D ConvLSTM2DCell ConvRNN2D",
    "core": "Dense Activation Dropout Flatten Reshape Permute RepeatVector Lambda Masking ActivityRegularization",
    "cudnn_recurrent": "CuDNNGRU CuDNNLSTM",
    "embeddings": "Embedding",
    "local": "LocallyConnected1D LocallyConnected2D",
    "merge": "Add Subtract Multiply Average Maximum Minimum Concatenate Dot add subtract multiply average concatenate"
    " dot maximum minimum",
    "noise": "GaussianNoise GaussianDropout AlphaDropout",
    "normalization": "BatchNormalization",
    "pooling": "MaxPooling1D MaxPooling2D AveragePooling2D GlobalMaxPooling2D MaxPool2D",
    "recurrent": "RNN SimpleRNN GRU LSTM SimpleRNNCell GRUCell LSTMCell StackedRNNCells",
    "wrappers": "TimeDistributed Bidirectional Wrapper",
}


@pytest.mark.parametrize("module", PATHS)
def test_a_layer_is_found_where_keras_has_it(module: str) -> None:
    home = importlib.import_module(f"kgraph.keras.layers.{module}")
    for name in PATHS[module].split():
        assert getattr(home, name) is getattr(layers, name)
