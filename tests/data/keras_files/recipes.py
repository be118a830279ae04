"""The models whose files are kept: written once, for every module that has Keras's names.

Keras 2.3.1 runs this too, so it keeps to Python 3.7. Each model is tiny and has many layers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

BATCH, STEPS = 6, 3
"""Samples of data, and the training steps before a file is written; as many follow when it was read again."""


@dataclass(frozen=True)
class Recipe:
    """`build(keras, layers)` makes the model; it maps arrays of the shapes `inputs` to `outputs`, sizes per sample."""

    name: str
    build: Callable[[Any, Any], Any]
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    optimizer: Callable[[Any], Any] = lambda keras: keras.optimizers.SGD(learning_rate=0.05, momentum=0.9)
    compiled: dict[str, Any] = field(default_factory=lambda: {"loss": "mse"})
    trains: bool = True  # not where layers draw random numbers
    words: int = 0  # inputs are word numbers below this
    custom: Callable[[Any], dict[str, Any]] = lambda keras: {}
    lacking: tuple[str, ...] = ()  # the producers that have no such layer

    def data(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Inputs and targets, each a list of arrays."""
        random = np.random.RandomState(len(self.name))
        if self.words:
            x = [random.randint(0, self.words, (BATCH, *shape)).astype("int32") for shape in self.inputs]
            for array in x:
                array[np.arange(array.shape[-1]) >= random.randint(1, array.shape[-1] + 1, (BATCH, 1))] = 0
        else:
            x = [random.randn(BATCH, *shape).astype("float32") for shape in self.inputs]
        y = [random.rand(BATCH, *shape).astype("float32") for shape in self.outputs]
        return x, [_distribution(array) if array.shape[-1] > 2 else array for array in y]


def _distribution(array: np.ndarray) -> np.ndarray:
    return array / array.sum(-1, keepdims=True)


def start(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Weights in general position: vectors are positive, for they may be variances."""
    random = np.random.RandomState(11)
    drawn = [np.asarray(random.randn(*array.shape) * 0.4, "float32") for array in arrays]
    return [np.abs(array) + 0.3 if array.ndim == 1 else array for array in drawn]


def weights_of(model: Any, key: Any = None) -> list[np.ndarray]:
    """The weights of the innermost layers, one after another: Keras 2.3 lists those of a frozen one last.

    Layers are sorted by `key`, if there is one.
    """
    inside = getattr(model, "layers", None)
    if inside is None:
        return model.get_weights()
    ordered = inside if key is None else sorted(inside, key=key)
    return [array for layer in ordered for array in weights_of(layer, key)]


def by_name(layer: Any) -> str:
    """A key for `weights_of`: Keras 1 orders the layers of a model that it read otherwise than when it was made."""
    return layer.name


def sequential(keras: Any, shape: tuple[int, ...], layers: list[Any], name: Any = None) -> Any:
    """A Sequential model of a known input, said the way that each Keras reads again."""
    if keras.__version__.startswith("2.3"):
        layers[0].batch_input_shape = (None, *shape)
        return keras.Sequential(layers, name=name)
    return keras.Sequential([keras.Input(shape), *layers], name=name)


def dense(keras: Any, layers: Any) -> Any:
    wild = keras.initializers.VarianceScaling(scale=2.0, mode="fan_out", distribution="uniform")
    return sequential(
        keras,
        (8,),
        [
            layers.Dense(
                6,
                activation="relu",
                kernel_regularizer=keras.regularizers.l1_l2(l1=1e-3, l2=1e-2),
                kernel_constraint=keras.constraints.MaxNorm(1.5),
                bias_constraint="non_neg",
            ),
            layers.BatchNormalization(momentum=0.9, epsilon=1e-2),
            layers.Dense(5, activation="tanh", use_bias=False, kernel_initializer=wild),
            layers.Dense(4, bias_regularizer="l2"),
            layers.Activation("softmax"),
        ],
        name="dense",
    )


def activity(keras: Any, layers: Any) -> Any:
    parts = [
        layers.Dense(4, activation="tanh", activity_regularizer=keras.regularizers.l2(1e-2)),
        layers.ActivityRegularization(l1=1e-2, l2=1e-2),
        layers.Dense(2),
    ]
    return sequential(keras, (5,), parts)


def activations(keras: Any, layers: Any) -> Any:
    x = keras.Input((3, 4), name="x")
    names = ["elu", "selu", "softplus", "softsign", "relu", "tanh", "sigmoid", "hard_sigmoid", "exponential"]
    names += ["linear", "softmax"]
    parts = [layers.Dense(2, activation=name, name="as_" + name)(x) for name in names]
    parts += [
        layers.LeakyReLU(0.2)(x),
        layers.PReLU()(x),
        layers.PReLU(shared_axes=[1])(x),
        layers.ELU(0.7)(x),
        layers.Softmax(axis=1)(x),
        layers.ReLU(1.5, 0.1, 0.2)(x),
    ]
    return keras.Model(x, layers.Dense(3, name="out")(layers.Concatenate()(parts)), name="activations")


def thresholded(keras: Any, layers: Any) -> Any:
    return sequential(keras, (4,), [layers.ThresholdedReLU(0.3), layers.Dense(2)])


def image(form: str) -> Callable[[Any, Any], Any]:
    def build(keras: Any, layers: Any) -> Any:
        axis = -1 if form == "channels_last" else 1
        x = keras.Input((8, 7, 2) if axis == -1 else (2, 8, 7), name="image")
        y = layers.ZeroPadding2D(((1, 0), (0, 2)), data_format=form)(x)
        y = layers.Conv2D(3, (3, 2), padding="same", activation="relu", data_format=form)(y)
        y = layers.BatchNormalization(axis=axis)(y)
        a = layers.MaxPooling2D(2, padding="same", data_format=form)(y)
        b = layers.AveragePooling2D((2, 2), padding="same", data_format=form)(y)
        y = layers.Concatenate(axis=axis)([a, b])
        y = layers.SeparableConv2D(4, 2, depth_multiplier=2, data_format=form, activation="tanh")(y)
        y = layers.DepthwiseConv2D(2, padding="same", use_bias=False, data_format=form)(y)
        y = layers.SpatialDropout2D(0.0, data_format=form)(y)
        y = layers.Conv2DTranspose(3, 3, strides=2, padding="same", data_format=form)(y)
        y = layers.Cropping2D(((1, 0), (1, 1)), data_format=form)(y)
        y = layers.UpSampling2D((2, 1), data_format=form)(y)
        y = layers.Conv2D(3, 2, dilation_rate=2, use_bias=False, data_format=form)(y)
        ends = [
            layers.GlobalAveragePooling2D(data_format=form)(y),
            layers.GlobalMaxPooling2D(data_format=form)(y),
        ]
        ends.append(layers.Flatten(data_format=form)(layers.MaxPooling2D((3, 2), data_format=form)(y)))
        return keras.Model(x, layers.Dense(3, activation="softmax")(layers.Concatenate()(ends)))

    return build


def bilinear(keras: Any, layers: Any) -> Any:
    return sequential(keras, (3, 4, 2), [layers.UpSampling2D(2, interpolation="bilinear"), layers.Flatten()])


def volume(keras: Any, layers: Any) -> Any:
    x = keras.Input((4, 5, 4, 2), name="volume")
    y = layers.ZeroPadding3D((1, 0, 1))(x)
    y = layers.Conv3D(3, (2, 3, 2), activation="elu")(y)
    a, b = layers.MaxPooling3D(2, padding="same")(y), layers.AveragePooling3D(2, padding="same")(y)
    y = layers.Conv3DTranspose(2, 2, strides=2)(layers.Concatenate()([a, b]))
    y = layers.UpSampling3D((1, 2, 1))(layers.Cropping3D(1)(y))
    y = layers.SpatialDropout3D(0.0)(y)
    ends = layers.Concatenate()([layers.GlobalAveragePooling3D()(y), layers.GlobalMaxPooling3D()(y)])
    return keras.Model(x, layers.Dense(2)(ends), name="volume_model")


def series(keras: Any, layers: Any) -> Any:
    x = keras.Input((12, 3), name="series")
    y = layers.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="tanh")(x)
    y = layers.SeparableConv1D(3, 3, padding="same")(layers.ZeroPadding1D((1, 2))(y))
    y = layers.Cropping1D((1, 1))(layers.SpatialDropout1D(0.0)(y))
    ends = [layers.GlobalAveragePooling1D()(y), layers.GlobalMaxPooling1D()(y)]
    a, b = layers.MaxPooling1D(3)(y), layers.AveragePooling1D(3)(y)
    y = layers.UpSampling1D(2)(layers.Concatenate(axis=1)([a, b]))
    y = layers.Reshape((4, -1))(layers.Permute((2, 1))(y))
    ends.append(layers.Flatten()(layers.Conv1D(2, 2, strides=2)(y)))
    y = layers.RepeatVector(3)(layers.Concatenate()(ends))
    return keras.Model(x, layers.TimeDistributed(layers.Dense(2))(y), name="series_model")


def series_later(keras: Any, layers: Any) -> Any:
    return sequential(
        keras,
        (9, 4),
        [
            layers.Conv1D(4, 2, groups=2, activation="gelu"),
            layers.DepthwiseConv1D(2, activation="swish"),
            layers.Conv1DTranspose(2, 3, strides=2),
            layers.GlobalAveragePooling1D(keepdims=True),
            layers.Flatten(),
        ],
    )


def text(keras: Any, layers: Any) -> Any:
    x = keras.Input((7,), dtype="int32", name="words")
    y = layers.Embedding(12, 5, mask_zero=True, embeddings_regularizer="l2")(x)
    ends = [
        layers.LSTM(3, name="lstm")(y),
        layers.GRU(3, reset_after=True, name="gru_after")(y),
        layers.GRU(3, reset_after=False, recurrent_activation="hard_sigmoid", name="gru_before")(y),
        layers.SimpleRNN(3, activation="relu", go_backwards=True, name="rnn")(y),
        layers.Bidirectional(layers.GRU(2, reset_after=True), merge_mode="sum", name="both_sum")(y),
    ]
    y = layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="both")(y)
    y = layers.TimeDistributed(layers.Dense(3, activation="tanh"), name="each")(y)
    ends.append(layers.LSTM(3, use_bias=False, recurrent_activation="hard_sigmoid", name="last")(y))
    return keras.Model(
        x, layers.Dense(3, activation="softmax")(layers.Concatenate()(ends)), name="text_model"
    )


def attention(keras: Any, layers: Any) -> Any:
    x = keras.Input((7,), dtype="int32", name="words")
    # Heads take the masks off what they are given, so that others would not see them.
    y, z = (layers.Embedding(12, 6, mask_zero=True)(x) for _ in range(2))
    pairs = [layers.Attention(use_scale=True)([z, z]), layers.AdditiveAttention()([z, z])]
    for name, causal in (("first", False), ("second", True)):
        heads = layers.MultiHeadAttention(2, 3, name=name)(y, y, use_causal_mask=causal)
        y = layers.LayerNormalization(name=name + "_norm")(heads)
        y = layers.Dense(6, activation="gelu", name=name + "_dense")(y)
    ends = [layers.GlobalAveragePooling1D()(end) for end in [*pairs, y]]
    return keras.Model(x, layers.Dense(3, activation="softmax")(layers.Concatenate()(ends)))


def normalized(keras: Any, layers: Any) -> Any:
    x = keras.Input((4, 4, 6), name="x")
    y = layers.GroupNormalization(3)(layers.Rescaling(0.5, offset=0.1)(x))
    y = layers.LayerNormalization(center=False)(layers.EinsumDense("...a,ab->...b", 4, bias_axes="b")(y))
    y = layers.EinsumDense("abcd,cde->abe", (4, 6), activation="tanh", bias_axes="e")(y)
    y = layers.UnitNormalization()(layers.Identity()(layers.RMSNormalization()(y)))
    return keras.Model(x, layers.Dense(2)(layers.Flatten()(y)))


def recurrent(keras: Any, layers: Any) -> Any:
    x, h, c = keras.Input((6, 3), name="x"), keras.Input((4,), name="h"), keras.Input((4,), name="c")
    y = layers.Masking(0.0)(x)
    y, h1, c1 = layers.LSTM(4, return_sequences=True, return_state=True, name="encoder")(y)
    y = layers.LSTM(4, return_sequences=True, name="decoder")(y, initial_state=[h1, c1])
    z = layers.GRU(4, unroll=True, dropout=0.0, name="gru")(x, initial_state=h)
    u = layers.LSTM(4, implementation=1, unit_forget_bias=False, name="from_outside")(x, initial_state=[h, c])
    z = layers.Concatenate()([layers.SimpleRNN(3, use_bias=False, name="rnn")(y), z, u])
    return keras.Model([x, h, c], layers.Dense(2)(z), name="recurrent_model")


def cells(keras: Any, layers: Any) -> Any:
    parts = [
        layers.RNN(layers.GRUCell(3, reset_after=False), return_sequences=True, go_backwards=True),
        layers.RNN(layers.SimpleRNNCell(3), return_sequences=True),
        layers.Bidirectional(layers.RNN(layers.LSTMCell(2)), merge_mode="concat"),
    ]
    return sequential(keras, (5, 3), parts)


def stacked(keras: Any, layers: Any) -> Any:
    stack = [layers.LSTMCell(3), layers.GRUCell(2, reset_after=True), layers.SimpleRNNCell(4)]
    return sequential(keras, (5, 3), [layers.RNN(stack, return_sequences=True), layers.Flatten()])


def stateful(keras: Any, layers: Any) -> Any:
    x = keras.Input(batch_shape=(BATCH, 4, 3), name="x")
    y = layers.LSTM(3, stateful=True, return_sequences=True)(x)
    return keras.Model(x, layers.GRU(2, stateful=True)(y), name="stateful_model")


def graph(keras: Any, layers: Any) -> Any:
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    shared = layers.Dense(4, activation="tanh", name="shared")
    inside = keras.Input((4,), name="inside")
    deep = sequential(keras, (4,), [layers.Dense(4, activation="relu", name="deep_dense")], name="deep")
    inner_y = deep(layers.Activation("relu", name="inner_activation")(inside))
    inner = keras.Model(inside, [inner_y, layers.Dense(2, name="inner_dense")(inner_y)], name="inner")
    p, q = shared(a), shared(b)
    merged = [
        merge()([p, q])
        for merge in (
            layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum,
        )
    ]  # fmt: skip
    merged.append(layers.Dot(axes=-1, normalize=True)([p, q]))
    (u, v), (w, _) = inner(p), inner(q)
    every = layers.Concatenate(name="every")([*merged, u, v, w])
    score = layers.Dense(1, name="score")(every)
    kind = layers.Dense(3, activation="softmax", name="kind")(layers.Dropout(0.0)(every))
    return keras.Model([a, b], [score, kind], name="graph_model")


def frozen(keras: Any, layers: Any) -> Any:
    """The weights of a layer that is not trained come last in the model, not in the file."""
    inner = sequential(keras, (4,), [layers.Dense(3, name="fixed"), layers.BatchNormalization()])
    inner.layers[-2].trainable = False
    model = sequential(keras, (4,), [inner, layers.Dense(2), layers.BatchNormalization(), layers.Dense(2)])
    model.layers[-2].trainable = False
    return model


def noise(keras: Any, layers: Any) -> Any:
    return sequential(
        keras,
        (5, 4),
        [
            layers.GaussianNoise(0.2),
            layers.GaussianDropout(0.2),
            layers.AlphaDropout(0.2),
            layers.SpatialDropout1D(0.2),
            layers.Dropout(0.2, noise_shape=(None, 1, 4), seed=3),
            layers.LSTM(3, dropout=0.2, recurrent_dropout=0.3),
            layers.Dense(2),
        ],
    )


def doubled(x: Any) -> Any:
    """What the Lambda layer does."""
    return x * 2.0


def lambda_layer(keras: Any, layers: Any) -> Any:
    return sequential(keras, (4,), [layers.Lambda(lambda x: x * 2.0, output_shape=(4,)), layers.Dense(2)])


def lambda_named(keras: Any, layers: Any) -> Any:
    return sequential(keras, (4,), [layers.Lambda(doubled, output_shape=(4,)), layers.Dense(2)])


def squared(x: Any) -> Any:
    """A custom activation."""
    return x * x


def squared_error(y_true: Any, y_pred: Any) -> Any:
    """A custom loss."""
    return (y_true - y_pred) * (y_true - y_pred)


def custom_objects(keras: Any) -> dict[str, Any]:
    """A layer with a setting and a weight, a function of each kind."""

    class Scale(keras.layers.Layer):
        def __init__(self, power=1, **kwargs):
            super().__init__(**kwargs)
            self.power = power

        def build(self, input_shape):
            self.scale = self.add_weight(
                name="scale", shape=(input_shape[-1],), initializer="ones", trainable=True
            )
            super().build(input_shape)

        def call(self, inputs):
            return inputs * self.scale**self.power

        def compute_output_shape(self, input_shape):
            return input_shape

        def get_config(self):
            return dict(super().get_config(), power=self.power)

    return {"Scale": Scale, "squared": squared, "squared_error": squared_error}


def custom(keras: Any, layers: Any) -> Any:
    scale = custom_objects(keras)["Scale"]
    return sequential(
        keras,
        (3, 4),
        [
            scale(power=2, name="scale"),
            layers.TimeDistributed(scale(name="inner_scale")),
            layers.Flatten(),
            layers.Dense(2, activation=squared),
        ],
    )


def small(keras: Any, layers: Any) -> Any:
    return sequential(keras, (4,), [layers.Dense(3, activation="tanh"), layers.Dense(2)])


def optimizers(producer: str) -> dict[str, Callable[[Any], Any]]:
    """By name, what makes each optimizer: with the arguments of that Keras."""
    old = producer in ("keras-2.3.1", "keras-1.2.2")
    rate = "lr" if producer == "keras-1.2.2" else "learning_rate"

    def of(name: str, value: float, legacy: bool = False, **arguments: Any) -> Callable[[Any], Any]:
        def make(keras: Any) -> Any:
            found = keras.optimizers.legacy if legacy else keras.optimizers
            return getattr(found, name)(**{rate: value}, **arguments)

        return make

    made = {
        "sgd": of("SGD", 0.1),
        "sgd_nesterov": of("SGD", 0.1, momentum=0.9, nesterov=True, clipvalue=0.05),
        "rmsprop": of("RMSprop", 0.01),
        "adagrad": of("Adagrad", 0.1),
        "adadelta": of("Adadelta", 1.0),
        "adam": of("Adam", 0.01, clipnorm=0.1),
        "adamax": of("Adamax", 0.01),
        "nadam": of("Nadam", 0.01),
    }
    if old or producer == "tf_keras":
        legacy = not old
        made["sgd_decay"] = of("SGD", 0.1, legacy, momentum=0.9, decay=0.1)
        made["rmsprop_decay"] = of("RMSprop", 0.01, legacy, decay=0.1)
        made["adam_decay"] = of("Adam", 0.01, legacy, decay=0.1)
    if producer != "keras-1.2.2":
        made["adam_amsgrad"] = of("Adam", 0.01, amsgrad=True)
    if not old:
        made["rmsprop_centered"] = of("RMSprop", 0.01, centered=True, momentum=0.5)
        made["adamw"] = of("AdamW", 0.01, weight_decay=0.1)
        made["adam_schedule"] = lambda keras: keras.optimizers.Adam(
            learning_rate=keras.optimizers.schedules.ExponentialDecay(0.02, 2, 0.5)
        )
        made["sgd_global_clip"] = of("SGD", 0.1, global_clipnorm=0.05)
    return made


def _crossentropy(**more: Any) -> dict[str, Any]:
    return {"loss": "categorical_crossentropy", **more}


OLD = ("keras-1.2.2", "keras-2.3.1")
KERAS_3 = ("keras-3.0.5", "keras-3.15.1")
EARLIER = (*OLD, "tf_keras", KERAS_3[0])

RECIPES = [
    Recipe("dense", dense, ((8,),), ((4,),), compiled=_crossentropy(metrics=["accuracy"])),
    Recipe("activity", activity, ((5,),), ((2,),)),
    Recipe("activations", activations, ((3, 4),), ((3, 3),), compiled={"loss": "mse", "metrics": ["mae"]}),
    Recipe("thresholded", thresholded, ((4,),), ((2,),), lacking=KERAS_3),
    Recipe("image", image("channels_last"), ((8, 7, 2),), ((3,),), compiled=_crossentropy()),
    Recipe("image_first", image("channels_first"), ((2, 8, 7),), ((3,),), compiled=_crossentropy()),
    Recipe("bilinear", bilinear, ((3, 4, 2),), ((48,),), trains=False),
    Recipe("volume", volume, ((4, 5, 4, 2),), ((2,),)),
    Recipe("series", series, ((12, 3),), ((3, 2),), compiled={"loss": "mean_absolute_error"}),
    Recipe("attention", attention, ((7,),), ((3,),), words=12, lacking=EARLIER),
    Recipe("normalized", normalized, ((4, 4, 6),), ((2,),), lacking=EARLIER),
    Recipe("series_later", series_later, ((9, 4),), ((2,),), lacking=OLD),
    Recipe("text", text, ((7,),), ((3,),), compiled=_crossentropy(), words=12),
    Recipe("recurrent", recurrent, ((6, 3), (4,), (4,)), ((2,),)),
    Recipe("cells", cells, ((5, 3),), ((4,),)),
    # Keras 2.3.1 gives the weights of such cells the same names, and then cannot write them.
    Recipe("stacked", stacked, ((5, 3),), ((20,),), lacking=OLD),
    Recipe("stateful", stateful, ((4, 3),), ((2,),)),
    Recipe(
        "graph",
        graph,
        ((6,), (6,)),
        ((1,), (3,)),
        compiled={
            "loss": {"score": "mse", "kind": "categorical_crossentropy"},
            "loss_weights": {"score": 0.5, "kind": 2.0},
            "metrics": {"kind": ["accuracy"]},
        },
    ),
    Recipe("frozen", frozen, ((4,),), ((2,),)),
    Recipe("noise", noise, ((5, 4),), ((2,),), trains=False),
    Recipe("lambda", lambda_layer, ((4,),), ((2,),), trains=False),
    Recipe(
        "lambda_named",
        lambda_named,
        ((4,),),
        ((2,),),
        trains=False,
        custom=lambda keras: {"doubled": doubled},
    ),
    Recipe("custom", custom, ((3, 4),), ((2,),), compiled={"loss": squared_error}, custom=custom_objects),
]


def recipes(producer: str) -> list[Recipe]:
    """What this Keras writes: all that it has the layers for, and a model for each optimizer."""
    shared = [recipe for recipe in RECIPES if producer not in recipe.lacking]
    if producer == KERAS_3[0]:
        return shared  # the optimizers are those of later ones
    return shared + [
        Recipe("optimizer_" + name, small, ((4,),), ((2,),), optimizer=make)
        for name, make in optimizers(producer).items()
    ]
