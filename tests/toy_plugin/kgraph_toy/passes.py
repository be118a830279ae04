"""A pass that takes out soft clips so wide that they clip nothing."""

from __future__ import annotations

from dataclasses import dataclass

from kgraph.ir.graph import transform
from kgraph.passes.base import Pass, register
from kgraph_toy.ops import SoftClip


@register("toy.drop_wide_clips")
@dataclass(frozen=True)
class DropWideClips(Pass):
    """soft_clip(x, limit) -> x where the limit is `wide` or more: float32 cannot tell them apart."""

    wide: float = 1e9

    def __call__(self, function, hits):
        def visit(call, inputs):
            if isinstance(call.op, SoftClip) and call.op.limit >= self.wide:
                hits["dropped"] += 1
                return (inputs[0],)
            return None

        return transform(function, visit)
