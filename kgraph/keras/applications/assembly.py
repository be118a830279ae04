"""`application`: from the layers of a network to the function that Keras users call."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from kgraph.errors import ArgumentError, describe
from kgraph.keras import activations
from kgraph.keras.applications.heads import Head, averaging_by_name, pooled
from kgraph.keras.applications.images import Sizes, entrance, image_shape, published_side, spatial
from kgraph.keras.applications.weights import CLASSES, IMAGENET, PUBLISHED
from kgraph.keras.layers.arguments import one_of, positive_int
from kgraph.keras.layers.nodes import node_of, source_inputs
from kgraph.keras.layers.weights import without_initialisers
from kgraph.keras.models.model import Model
from kgraph.keras.tensor import Tensor
from kgraph.keras.utils.warn import warn_user

F = TypeVar("F", bound=Callable[..., Any])
Body = Callable[[Tensor], Tensor]
"""The layers of a network between its image and its end."""


@dataclass(frozen=True)
class Architecture:
    """What there is to know of a network beside its layers.

    name           under which `PUBLISHED` has its files
    sizes          of its images
    head           what follows with `include_top`
    names_pooling  whether the pooling that follows without it has a name
    variant        what tells the files of variants apart, beside the size of the images
    """

    name: str
    sizes: Sizes = field(default_factory=Sizes)
    head: Head = averaging_by_name
    names_pooling: bool = False
    variant: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """The arguments that all applications share, as `Application` explains them.

    In `name`, `{rows}` stands for those of the images. Raises ArgumentError for what cannot be.
    """

    include_top: bool
    weights: Any
    input_tensor: Any
    input_shape: Any
    pooling: str | None
    classes: int
    classifier_activation: Any
    name: str

    def __post_init__(self) -> None:
        positive_int(self.classes, "classes")
        one_of(self.pooling, (None, "avg", "max"), "pooling")
        if self.weights is not None and not self.imagenet and not self.is_file:
            self.refuse("unknown weights", "None, 'imagenet' or the path of a file", self.weights)
        if self.include_top and self.weights is not None:
            self._check_classifier()

    @property
    def imagenet(self) -> bool:
        """Whether the published weights are asked for."""
        return isinstance(self.weights, str) and self.weights == IMAGENET

    @property
    def is_file(self) -> bool:
        """Whether the weights are in a file of the caller."""
        return isinstance(self.weights, str | os.PathLike) and os.path.exists(self.weights)

    def refuse(self, summary: str, expected: str, got: object) -> None:
        """Raise ArgumentError."""
        raise ArgumentError(describe(summary, expected=expected, got=repr(got), where=self.name))

    def _check_classifier(self) -> None:
        if self.imagenet and self.classes != CLASSES:
            expected = f"classes={CLASSES}, or include_top=False"
            self.refuse("weights='imagenet' with a classifier have other classes", expected, self.classes)
        if activations.get(self.classifier_activation) not in (activations.softmax, activations.linear):
            what = "this classifier_activation is not the one of trained weights"
            self.refuse(what, "'softmax' or None", self.classifier_activation)


class Application(Protocol):
    """Makes a network.

    include_top            with its classifier
    weights                None for random ones, "imagenet" for those that are published, or the path of a file
    input_tensor           what to build upon, in the place of a new input
    input_shape            of an image, with its channels
    pooling                without the classifier: None for features at each position, "avg" or "max" over all
    classes                how many the classifier tells apart
    classifier_activation  "softmax" for probabilities, None for logits
    name                   of the model

    Raises ArgumentError for arguments that do not go together, DownloadError when published weights can't be had,
    FileError for a file that does not fit.
    """

    __name__: str

    def __call__(
        self,
        include_top: bool = True,
        weights: Any = IMAGENET,
        input_tensor: Any = None,
        input_shape: Any = None,
        pooling: str | None = None,
        classes: int = CLASSES,
        classifier_activation: Any = "softmax",
        name: str | None = ...,
    ) -> Model: ...


def application(architecture: Architecture) -> Callable[[Body], Application]:
    """A decorator that makes an `Application` of the layers of a network. Name and docstring are kept."""

    def decorate(body: Body) -> Application:
        def make(
            include_top: bool = True,
            weights: Any = IMAGENET,
            input_tensor: Any = None,
            input_shape: Any = None,
            pooling: str | None = None,
            classes: int = CLASSES,
            classifier_activation: Any = "softmax",
            name: str | None = architecture.name,
        ) -> Model:
            options = Options(
                include_top,
                weights,
                input_tensor,
                input_shape,
                pooling,
                classes,
                classifier_activation,
                name or architecture.name,
            )
            return assemble(architecture, body, options)

        make.__doc__ = f"{body.__doc__}\n\n    {Application.__doc__}"
        return presented_as(body, make)

    return decorate


def presented_as(shown: Callable[..., Any], function: F) -> F:
    """A function under the name and module of another one, and with its docstring unless it has one.

    Unlike `functools.wraps` it keeps its signature.
    """
    for attribute in ("__name__", "__qualname__", "__module__"):
        setattr(function, attribute, getattr(shown, attribute))
    function.__doc__ = function.__doc__ or shown.__doc__
    return function


def assemble(architecture: Architecture, body: Body, options: Options) -> Model:
    """The model: image, layers, end and weights. Raises what `Application` says."""
    sizes, given = architecture.sizes, options.input_shape
    shape = image_shape(given, sizes, options.include_top, options.imagenet, options.name)
    image = entrance(options.input_tensor, shape, given is not None, sizes.fixed, options.name)
    # Before the layers are made: a file that can't be had is the first thing to know.
    file = _published(architecture, options, image) if options.imagenet else options.weights
    with nullcontext() if file is None else without_initialisers():
        x = body(image)
        if options.include_top:
            x = architecture.head(x, options.classes, options.classifier_activation)
        else:
            x = pooled(x, options.pooling, architecture.names_pooling)
        sources = source_inputs(node_of(image))
        name = options.name.replace("{rows}", str(spatial(image.shape)[0]))
        model = Model(sources[0] if len(sources) == 1 else sources, x, name=name)
    if file is not None:
        model.load_weights(file)
    return model


def _published(architecture: Architecture, options: Options, image: Tensor) -> str:
    """The path of the published weights that go best with the size of the images."""
    files, sizes = PUBLISHED[architecture.name], architecture.sizes
    rows = published_side(image, sizes)
    if rows is None:
        rows = sizes.published[0]
        if len(sizes.published) > 1:
            warn_user(
                f"{architecture.name}: weights are published for images of {sizes.published} rows and columns; "
                f"those for {rows} are taken for images of {spatial(image.shape)}"
            )
    file = files.whole if options.include_top else files.headless
    return file.fetch(rows=rows, **architecture.variant)
