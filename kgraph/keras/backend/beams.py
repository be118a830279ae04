"""Beam search over the labels that connectionist temporal classification can spell, in NumPy."""

from __future__ import annotations

import numpy as np

from kgraph.ir.types import Array


def beam_search(
    logs: Array, lengths: Array, width: int, paths: int, merge_repeated: bool = False
) -> tuple[list[Array], Array]:
    """The best labels for log probabilities [batch, T, classes], the last class being the blank.

    Returns `paths` arrays int64 [batch, T] with -1 behind the end of the labels, the best first, and log p of each as
    the search knows it, [batch, paths]. Where there are fewer labels than paths, the rest are empty with log p = -inf.
    """
    batch, steps, _ = logs.shape
    found = [np.full((batch, steps), -1, "int64") for _ in range(paths)]
    scores = np.full((batch, paths), -np.inf, logs.dtype)
    for sample in range(batch):
        beam = _Beam(width)
        for row in logs[sample, : lengths[sample]].astype("float64"):
            beam.advance(row)
        for rank, (labels, score) in enumerate(beam.best(paths)):
            kept = [x for i, x in enumerate(labels) if not (merge_repeated and i and labels[i - 1] == x)]
            found[rank][sample, : len(kept)] = kept
            scores[sample, rank] = score
    return found, scores


class _Beam:
    """The best beginnings after some steps: label sequences, as nodes of a tree, with their log probabilities.

    Of each beginning the paths that end in a blank and those that end in its last label are counted apart, because the
    same label again makes a new one of the former and prolongs the latter. Source: Graves, PhD thesis, 2008, 7.5.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.parents, self.labels = [-1], [-1]  # of the nodes of the tree; node 0 is the empty sequence
        self.children: dict[tuple[int, int], int] = {}
        self.nodes = np.array([0])
        self.blank, self.label = np.zeros(1), np.full(1, -np.inf)

    def advance(self, row: Array) -> None:
        """Take in the log probabilities of one step, [classes]."""
        classes = row[:-1]
        last = np.array([self.labels[node] for node in self.nodes])
        total = np.logaddexp(self.blank, self.label)
        is_repeat = last[:, None] == np.arange(len(classes))
        longer = np.where(is_repeat, self.blank[:, None], total[:, None]) + classes
        blank = total + row[-1]
        label = np.where(last >= 0, self.label + classes[last], -np.inf)
        where = {node: place for place, node in enumerate(self.nodes.tolist())}
        for place, node in enumerate(self.nodes.tolist()):
            origin = where.get(self.parents[node])
            if origin is not None:  # its beginning is here, too, and one label longer it is the same
                label[place] = np.logaddexp(label[place], longer[origin, last[place]])
                longer[origin, last[place]] = -np.inf
        everything = np.concatenate([np.logaddexp(blank, label), longer.ravel()])
        chosen = np.argsort(-everything, kind="stable")[: self.width]
        chosen = chosen[everything[chosen] > -np.inf]
        stays, grows = chosen[chosen < len(blank)], chosen[chosen >= len(blank)] - len(blank)
        origins, added = np.divmod(grows, max(len(classes), 1))
        born = [self._child(self.nodes[i], x) for i, x in zip(origins, added.tolist(), strict=True)]
        self.nodes = np.concatenate([self.nodes[stays], np.array(born, int)])
        self.blank = np.concatenate([blank[stays], np.full(len(born), -np.inf)])
        self.label = np.concatenate([label[stays], longer[origins, added]])

    def best(self, count: int) -> list[tuple[list[int], float]]:
        """The best label sequences and their log probabilities."""
        total = np.logaddexp(self.blank, self.label)
        order = np.argsort(-total, kind="stable")[:count]
        return [(self._spell(self.nodes[place]), total[place]) for place in order]

    def _child(self, node: int, label: int) -> int:
        key = int(node), label
        if key not in self.children:
            self.children[key] = len(self.labels)
            self.parents.append(key[0])
            self.labels.append(label)
        return self.children[key]

    def _spell(self, node: int) -> list[int]:
        labels = []
        while node:
            labels.append(self.labels[node])
            node = self.parents[node]
        return labels[::-1]
