"""How configurations of one class differ between the versions of Keras: one table.

Our own keys are those of Keras 3 and, where Keras 3 dropped something that we keep, of Keras 2. A key that another
version does not have is left out when its value says nothing there, as a table says; otherwise it is an error, or the
reader's own error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


def _frozen(**entries: Any) -> Mapping[str, Any]:
    return MappingProxyType(entries)


@dataclass(frozen=True)
class Form:
    """The differences of one class. Values are those that say nothing: what holds when the key is not there.

    foreign   keys of others that we do not have
    newer     keys of ours that Keras 2 does not have
    dropped   keys of ours that Keras 3 does not have
    before    keys that older files lack, with what held then, where that is not today's default
    keras2    names of keys in Keras 2, by ours
    renamed   names of keys in any other version, with ours
    single    keys under which we have a tuple of one, and the others what is in it
    module    where Keras 3 has the class; None when it has none
    """

    foreign: Mapping[str, Any] = field(default_factory=dict)
    newer: Mapping[str, Any] = field(default_factory=dict)
    dropped: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    keras2: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    single: tuple[str, ...] = ()
    module: str | None = "keras.layers"


EVERY_LAYER = Form(
    foreign=_frozen(
        quantization_config=None,
        lora_rank=None,
        lora_alpha=None,
        ragged=False,
        optional=False,
        batch_size=None,
    ),
)
"""What holds for all layers beside their own row."""

_1D = _frozen(data_format="channels_last")
_ANY = object()  # as a value of a table: whatever it is, it says nothing to us
_SEED = _frozen(seed=None)
# tf.keras derives these layers from a convolution, whose kernel they do not have.
_NO_KERNEL = _frozen(groups=1, kernel_initializer=_ANY, kernel_regularizer=_ANY, kernel_constraint=_ANY)
# Keras 1 wrote the shape of the output, which follows from all else.
_TRANSPOSED = _frozen(groups=1, output_shape=_ANY)
_NORMALIZATION = _frozen(
    renorm=False,
    renorm_clipping=None,
    renorm_momentum=_ANY,
    synchronized=False,
    virtual_batch_size=None,
    fused=_ANY,
    adjustment=None,
    mode=0,
)
_GATES = _frozen(implementation=_ANY)
_RECURRENT = _frozen(time_major=False, use_cudnn=_ANY, return_runtime=False)
# Older versions asked which way to compute it. The result is the same.
_ONE_WAY = _frozen(implementation=_ANY, consume_less=_ANY, **_RECURRENT)
_STEPS = _frozen(seed=None, zero_output_for_mask=False)
_FIXED = _frozen(unroll=False, zero_output_for_mask=False)
_POOL = _frozen(keepdims=False)
_OWN = Form(module=None)
_SPATIAL_DROPOUT = Form(
    newer=_frozen(seed=None, trainable=True),  # of which Keras 2 has trainable, but Keras 3 has not
    dropped=_frozen(trainable=True),
    foreign=_frozen(noise_shape=None),
)

# The weights of tf.keras are laid out as this says; ours are always those of 1, which is its default.
_LAYOUT = _frozen(implementation=_ANY)

LAYERS: Mapping[str, Form] = _frozen(
    AdditiveAttention=Form(newer=_SEED),
    AlphaDropout=Form(newer=_SEED),
    Attention=Form(newer=_frozen(seed=None, score_mode="dot")),
    AveragePooling1D=Form(before=_1D),
    BatchNormalization=Form(foreign=_NORMALIZATION),
    Conv1D=Form(newer=_frozen(groups=1), before=_1D),
    Conv2D=Form(newer=_frozen(groups=1)),
    Conv3D=Form(newer=_frozen(groups=1)),
    Conv2DTranspose=Form(foreign=_TRANSPOSED),
    Conv3DTranspose=Form(foreign=_TRANSPOSED, newer=_frozen(dilation_rate=(1, 1, 1))),
    Conv1DTranspose=Form(foreign=_frozen(groups=1)),
    ConvLSTM1D=Form(foreign=_RECURRENT, newer=_STEPS),
    ConvLSTM2D=Form(foreign=_ONE_WAY, newer=_STEPS),
    ConvLSTM2DCell=Form(newer=_SEED, module=None),
    ConvLSTM3D=Form(foreign=_RECURRENT, newer=_STEPS),
    ConvRNN2D=Form(foreign=_RECURRENT, newer=_frozen(zero_output_for_mask=False), module=None),
    Cropping1D=Form(newer=_1D, dropped=_1D, before=_1D, single=("cropping",)),
    CuDNNGRU=Form(foreign=_RECURRENT, newer=_FIXED, module=None),
    CuDNNLSTM=Form(foreign=_RECURRENT, newer=_FIXED, module=None),
    CustomScaleLayer=Form(module="keras.src.applications.inception_resnet_v2"),
    DepthwiseConv2D=Form(foreign=_frozen(filters=None, **_NO_KERNEL)),
    DepthwiseConv1D=Form(foreign=_frozen(filters=None, **_NO_KERNEL)),
    EinsumDense=Form(foreign=_frozen(gptq_unpacked_column_size=None)),
    Embedding=Form(dropped=_frozen(input_length=_ANY), foreign=_frozen(sparse=False, dropout=0.0)),
    Flatten=Form(before=_1D),
    GaussianDropout=Form(newer=_SEED),
    GaussianNoise=Form(newer=_SEED),
    GlobalAveragePooling1D=Form(newer=_POOL, before=_1D),
    GlobalAveragePooling2D=Form(newer=_POOL),
    GlobalAveragePooling3D=Form(newer=_POOL),
    GlobalMaxPooling1D=Form(newer=_POOL, before=_1D),
    GlobalMaxPooling2D=Form(newer=_POOL),
    GlobalMaxPooling3D=Form(newer=_POOL),
    GRU=Form(foreign=_RECURRENT, newer=_STEPS, dropped=_GATES, before=_frozen(reset_after=False)),
    GRUCell=Form(foreign=_RECURRENT, newer=_SEED, dropped=_GATES, before=_frozen(reset_after=False)),
    InputLayer=Form(renamed=_frozen(batch_shape="batch_input_shape", input_dtype="dtype")),
    LayerNormalization=Form(newer=_frozen(rms_scaling=False)),
    LeakyReLU=Form(keras2=_frozen(negative_slope="alpha"), renamed=_frozen(alpha="negative_slope")),
    LocallyConnected1D=Form(newer=_LAYOUT, before=_1D, module=None),
    LocallyConnected2D=Form(newer=_LAYOUT, module=None),
    LSTM=Form(foreign=_RECURRENT, newer=_STEPS, dropped=_GATES),
    LSTMCell=Form(foreign=_RECURRENT, newer=_SEED, dropped=_GATES),
    MaxPooling1D=Form(before=_1D),
    Merge=_OWN,
    MultiHeadAttention=Form(
        newer=_frozen(sliding_window=None, use_gate=False, seed=None),
        dropped=_frozen(flash_attention=_ANY),
    ),
    RNN=Form(foreign=_RECURRENT, newer=_frozen(zero_output_for_mask=False)),
    SeparableConv1D=Form(foreign=_NO_KERNEL, before=_1D),
    SeparableConv2D=Form(foreign=_NO_KERNEL),
    SimpleRNN=Form(foreign=_ONE_WAY, newer=_STEPS),
    SimpleRNNCell=Form(foreign=_frozen(implementation=_ANY, **_RECURRENT), newer=_SEED),
    SpatialDropout1D=_SPATIAL_DROPOUT,
    SpatialDropout2D=_SPATIAL_DROPOUT,
    SpatialDropout3D=_SPATIAL_DROPOUT,
    TensorOp=_OWN,
    ThresholdedReLU=Form(module="keras._legacy.layers"),
    UpSampling1D=Form(newer=_1D, dropped=_1D, before=_1D, single=("size",)),
    ZeroPadding1D=Form(newer=_1D, before=_1D, single=("padding",)),
    Model=Form(module="keras"),
    Functional=Form(module="keras"),
    Sequential=Form(module="keras"),
)
"""The layers that differ. Those of Keras 1 have their old arguments translated where they are made (`keras.legacy`)."""

OLD_NAMES: Mapping[str, str] = _frozen(
    AtrousConvolution1D="Conv1D",
    AtrousConvolution2D="Conv2D",
    Convolution1D="Conv1D",
    Convolution2D="Conv2D",
    Convolution3D="Conv3D",
    Deconvolution2D="Conv2DTranspose",
    Deconvolution3D="Conv3DTranspose",
    Functional="Model",
    SeparableConvolution2D="SeparableConv2D",
)
"""Names of classes that are ours under another name. Their weights may still be laid out in their own way."""

OLD_PENALTIES: Mapping[str, str] = _frozen(
    WeightRegularizer="L1L2", ActivityRegularizer="L1L2", L1L2Regularizer="L1L2"
)
"""Names of regularizers in Keras 1."""

KERNEL_SIZES = (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3"))
"""The names that Keras 1 had for the parts of a kernel's size."""

INITIALIZERS: Mapping[str, Form] = _frozen(
    **{
        name: Form(
            foreign=_frozen(dtype=_ANY, input_axes=None, output_axes=None), module="keras.initializers"
        )
        for name in ("GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal")
    },
    VarianceScaling=Form(foreign=_frozen(input_axes=None, output_axes=None), module="keras.initializers"),
)

TRAINING: Mapping[str, Form] = _frozen(
    Adagrad=Form(newer=_frozen(initial_accumulator_value=0.1), before=_frozen(initial_accumulator_value=0.0)),
    AUC=Form(foreign=_frozen(multi_label=False, num_labels=None, label_weights=None)),
    Nadam=Form(before=_frozen(schedule_decay=0.004)),
    RMSprop=Form(newer=_frozen(momentum=0.0, centered=False)),
    MeanDictWrapper=_OWN,
    Reduce=_OWN,
    SensitivitySpecificityBase=_OWN,
)
"""The optimizers, losses and metrics that differ; `before` holds for Keras itself up to 2.3."""

MODULES: Mapping[str, str] = _frozen(
    layers="keras.layers",
    initializers="keras.initializers",
    regularizers="keras.regularizers",
    constraints="keras.constraints",
    schedules="keras.optimizers.schedules",
    optimizers="keras.optimizers",
    losses="keras.losses",
    metrics="keras.metrics",
)
"""Where Keras 3 has the objects of each kind."""


def says_nothing(value: Any, wanted: Any) -> bool:
    """Whether a value is the one that a table gives, lists and tuples alike."""
    if wanted is _ANY:
        return True
    if isinstance(wanted, tuple) and isinstance(value, int):
        return all(item == value for item in wanted)
    if isinstance(value, list | tuple) and isinstance(wanted, list | tuple):
        return tuple(value) == tuple(wanted)
    return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)
