"""Convolutions in onnxruntime's blocked layout, for functions that run on this CPU.

onnxruntime has direct convolution kernels for channels in blocks of a vector's width (it calls the layout NCHWc). They
are nearly twice as fast as its other ones, but it uses them only where weights are constants, which they are not while
a model trains. Nothing about the kernels needs that, so here a pass brings whole networks into the layout, gradients
included: the gradient in x is a convolution as well, and so, with axes in unusual roles, is the one in the kernel.

    block size b:  x [N, C, H, W] -> [N, C / b, H, W, b]

In the IR blocked tensors have these five axes, so that every op on them means what it says: elementwise ops and
reductions need nothing new, and a pool is a pool over (H, W, b) with a window of 1 along b. Only convolution has ops of
its own.
"""

from __future__ import annotations
