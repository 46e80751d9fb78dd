"""Some of the workloads in NumPy, with derivatives by hand: what a user without an engine would write."""

from __future__ import annotations

import itertools

import numpy as np

random = np.random.default_rng(0).standard_normal


def classifier():
    x = random((80, 2), dtype="f")
    y = (x[:, :1] > 0).astype("f")
    w1, b1, w2, b2 = random((2, 5), dtype="f"), np.zeros(5, "f"), random((5, 1), dtype="f"), np.zeros(1, "f")
    rate = np.float32(0.03)

    def step():
        h = x @ w1 + b1
        r = np.maximum(h, 0)
        p = 1 / (1 + np.exp(-(r @ w2 + b2)))
        slope = (p - y) / np.float32(len(x))
        below = (slope @ w2.T) * (h > 0)
        for weight, gradient in ((w2, r.T @ slope), (b2, slope.sum(0)), (w1, x.T @ below), (b1, below.sum(0))):
            weight -= rate * gradient

    return step


def matmul(size: int = 1024):
    a, b = random((size, size), dtype="f"), random((size, size), dtype="f")
    return lambda: a @ b


def inference(*widths: int):
    weights = [(random((n, m), dtype="f"), np.zeros(m, "f")) for n, m in itertools.pairwise(widths)]
    x = random((1, widths[0]), dtype="f")

    def step():
        h = x
        for w, b in weights[:-1]:
            h = np.maximum(h @ w + b, 0)
        w, b = weights[-1]
        return (h @ w + b).tolist()

    return step
