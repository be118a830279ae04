"""Connectionist temporal classification: the loss of label sequences without alignment, and reading them back.

A path names a class for each step; it spells the labels that are left when repeats are merged and then blanks removed.
The probability of labels is that of all paths that spell them. Source: Graves et al., ICML 2006.
"""

from __future__ import annotations

from typing import Any, NoReturn

from kgraph.errors import ArgumentError, GraphError, ShapeError, UnsupportedError, describe
from kgraph.ir import graph as ir
from kgraph.keras import settings
from kgraph.keras.backend import math as m
from kgraph.keras.backend.beams import beam_search
from kgraph.keras.backend.control import stop_gradient
from kgraph.keras.backend.nn import as_labels, log_softmax
from kgraph.keras.backend.shape import arange, concatenate, expand_dims, reshape, shape, stack
from kgraph.keras.tensor import Tensor, as_value, evaluate
from kgraph.ops.broadcast import broadcast_to
from kgraph.ops.indexing import TakeAlongAxis
from kgraph.ops.logic import where
from kgraph.ops.scan import scan
from kgraph.ops.shape import full

NEVER = -1e30
"""The logarithm of a probability of zero: finite, so that what is computed with it has a gradient."""
UNFIT = 1e5
"""The loss of labels that no path spells."""


def ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> Tensor:
    """-log p(labels), [batch], for labels int [batch, N] and logits [batch, T, classes], of lengths int [batch].

    `mask_index` is the class of the blank. What stands beyond the lengths counts nothing. Labels that need more steps
    than there are have the loss 1e5, and no gradient. Raises ShapeError for other ranks.

    The recursion runs over states s: blank, label 1, blank, label 2, …, blank. In logarithms

        a[t, s] = log p[t, s] + log(exp a[t-1, s] + exp a[t-1, s-1] + exp a[t-1, s-2])

    with the last term for labels alone that differ from the one before; p[t, s] is that of the class of the state.
    """
    logits, labels = Tensor(m.as_float(output)), Tensor(as_labels(target))
    _check("CTC: logits", logits, "[batch, steps, classes]")
    _check("CTC: labels", labels, "[batch, labels]")
    wanted, steps = _lengths(target_length), _lengths(output_length)
    states, may_skip = _states(labels, wanted, mask_index)
    emitted = _emitted(log_softmax(logits), states)
    position = arange(shape(states)[1])
    start = _choose(m.equal(position, 0), 0.0, full(states.dims, NEVER, logits.dtype))
    runs = arange(shape(logits)[1]) < steps

    def step(carries: Any, slices: Any) -> tuple[list[ir.Value], list[ir.Value]]:
        before, now, is_running = Tensor(carries[0]), Tensor(slices[0]), Tensor(slices[1])
        skipped = _choose(may_skip, _shifted(before, 2), NEVER)
        ways = before, _shifted(before, 1), skipped
        # The gradient of the peak is zero in the end, so it isn't computed.
        peak = stop_gradient(m.maximum(m.maximum(ways[0], ways[1]), ways[2]))
        reached = now + peak + m.log(m.exp(ways[0] - peak) + m.exp(ways[1] - peak) + m.exp(ways[2] - peak))
        return [_choose(expand_dims(is_running), reached, before).value], []

    (last,), _ = scan(step, [start.value], [emitted.value, runs.value], axis=1, name="ctc")
    is_end = m.equal(position, 2 * wanted) | m.equal(position, 2 * wanted - 1)
    loss = -m.logsumexp(_choose(is_end, last, NEVER), -1)
    return _choose(loss < -0.5 * NEVER, loss, UNFIT)


def ctc_batch_cost(y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> Tensor:
    """-log p(labels), [batch, 1], for labels [batch, N] and probabilities [batch, T, classes].

    The last class is the blank. `input_length` (steps) and `label_length` are [batch, 1]. The probabilities are those
    of a softmax; epsilon is added, and they are made to add up to 1 again. See `ctc_loss`.
    """
    logs = _log_of(y_pred)
    return expand_dims(ctc_loss(y_true, logs, label_length, input_length, _blank(logs)))


def ctc_decode(
    y_pred: Any,
    input_length: Any,
    greedy: bool = True,
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = False,
) -> tuple[list[Tensor], Tensor]:
    """The labels that probabilities [batch, T, classes] stand for; the last class is the blank, lengths are [batch].

    Returns labels int64 [batch, T], -1 behind their end, as a list with a tensor for each path, and their scores. If
    `greedy`, the one path is the most probable class at each step, with minus the sum of the logarithms of these
    probabilities, [batch, 1]. Else there are the `top_paths` best labels that a beam search of `beam_width` finds, with
    log p(labels), [batch, top_paths]; with `merge_repeated`, labels that follow themselves are then given once.
    A search needs arrays, or tensors that have a value: raises UnsupportedError for others, and ArgumentError for a
    beam narrower than the paths.
    """
    logs, steps = _log_of(y_pred), _lengths(input_length)
    if greedy:
        labels, score = _greedy(logs, steps)
        return [labels], score
    if not 1 <= top_paths <= beam_width:
        raise ArgumentError(
            describe("ctc_decode: bad top_paths", expected=f"1 to beam_width={beam_width}", got=top_paths)
        )
    try:
        scores, lengths = evaluate(log_softmax(logs)), evaluate(steps)[:, 0]
    except GraphError:
        raise UnsupportedError(
            describe(
                "ctc_decode: a beam search cannot be part of a graph",
                expected="greedy=True, or what predict has returned",
                got=f"a symbolic tensor {logs.value.type}",
            )
        ) from None
    found, probabilities = beam_search(scores, lengths, beam_width, top_paths, merge_repeated)
    return [Tensor(ir.Constant(path)) for path in found], Tensor(ir.Constant(probabilities))


def ctc_label_dense_to_sparse(labels: Any, label_lengths: Any) -> NoReturn:
    """Raises UnsupportedError: there are no sparse tensors."""
    raise UnsupportedError(
        describe(
            "ctc_label_dense_to_sparse: there are no sparse tensors",
            expected="dense labels and their lengths, which K.ctc_batch_cost takes",
        )
    )


def _greedy(logs: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    runs = arange(shape(logs)[1]) < steps
    score = -m.sum(_choose(runs, m.max(logs, -1), 0.0), -1, keepdims=True)
    best = m.argmax(logs, -1)
    before = concatenate([m.cast(best[:, :1] * 0 - 1, "int64"), best[:, :-1]], 1)
    kept = runs & m.not_equal(best, before) & m.not_equal(best, _blank(logs))
    # The label of each kept step goes to the place that the count of those before it says; 0 is none.
    place = m.cumsum(m.cast(kept, "int64"), 1) - 1
    goes = m.equal(expand_dims(place), arange(shape(logs)[1], dtype="int64")) & expand_dims(kept)
    moved = m.sum(_choose(goes, expand_dims(best + 1), m.cast(0, "int64")), 1)
    return moved - 1, score


def _states(labels: Tensor, lengths: Tensor, blank: int) -> tuple[Tensor, Tensor]:
    """The class of each state, int [batch, 2 N + 1], and whether it can be reached from the last state but one."""
    real = _choose(arange(shape(labels)[1]) < lengths, labels, m.cast(blank, labels.dtype))
    blanks = real * 0 + blank
    pairs = reshape(stack([blanks, real], 2), (shape(labels)[0], -1))
    states = concatenate([pairs, pairs[:, :1]], 1)
    earlier = concatenate([states[:, :1] * 0 + blank] * 2 + [states[:, :-2]], 1)
    return states, m.not_equal(states, blank) & m.not_equal(states, earlier)


def _emitted(logs: Tensor, states: Tensor) -> Tensor:
    """logs [batch, T, classes], states [batch, S] -> the logarithm for each state, [batch, T, S]."""
    batch, steps, _ = logs.dims
    positions = broadcast_to(expand_dims(states, 1).value, (batch, steps, states.dims[1]))
    return Tensor(TakeAlongAxis(2)(logs.value, positions))


def _shifted(scores: Tensor, by: int) -> Tensor:
    """scores [batch, S], moved to later states; nothing leads to the first ones."""
    never = full((scores.dims[0], by), NEVER, scores.dtype)
    return concatenate([Tensor(never), scores[:, :-by]], 1)


def _choose(condition: Tensor, a: Any, b: Any) -> Tensor:
    return Tensor(where(condition.value, _plain(a), _plain(b)))


def _plain(x: Any) -> Any:
    return x.value if isinstance(x, Tensor) else x


def _log_of(probabilities: Any) -> Tensor:
    made = Tensor(m.as_float(probabilities))
    _check("CTC: probabilities", made, "[batch, steps, classes]")
    return m.log(made + settings.epsilon())


def _blank(logs: Tensor) -> int:
    """The last class. Raises ShapeError where it is not known how many there are."""
    classes = logs.dims[-1]
    if not isinstance(classes, int):
        raise ShapeError(
            describe("CTC: the number of classes must be known", expected="a size", got=logs.value.type)
        )
    return classes - 1


def _lengths(given: Any) -> Tensor:
    """Lengths [batch] or [batch, 1] as int32 [batch, 1]."""
    return reshape(m.cast(as_value(given, "int32"), "int32"), (-1, 1))


def _check(what: str, tensor: Tensor, expected: str) -> None:
    if tensor.ndim != expected.count(",") + 1:
        raise ShapeError(describe(what, expected=expected, got=tensor.value.type))
