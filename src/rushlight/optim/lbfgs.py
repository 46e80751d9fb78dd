"""Limited-memory BFGS."""

from __future__ import annotations

from .. import _C
from ._pertensor import check_lr
from .optimizer import Optimizer, Tensor, call_with_grad, to_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


class LBFGS(Optimizer):
    """L-BFGS: a quasi-Newton method for smooth losses over the whole data set.

    Each `step(closure)` runs up to `max_iter` iterations; `closure` clears the gradients, computes
    the loss, calls `backward` and returns the loss.  All parameters form one vector `x`; the last
    `history_size` changes of `x` and of its gradient stand for the inverse Hessian.  With
    `line_search_fn="strong_wolfe"` the length of each move is searched for, otherwise it is `lr`.
    One parameter group only.

    Source: Nocedal and Wright, Numerical Optimization (2006), algorithms 3.5, 3.6 and 7.4; the line
    search follows Mark Schmidt's minFunc, as PyTorch's does.

    >>> import rushlight as torch
    >>> x = torch.nn.Parameter(torch.tensor([-1.0, 1.5]))
    >>> optimizer = torch.optim.LBFGS([x], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - x[0]) ** 2 + 10 * (x[1] - x[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> for _ in range(3):
    ...     _ = optimizer.step(closure)
    >>> bool(closure() < 1e-6)
    True
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        super().__init__(
            params,
            dict(
                lr=lr,
                max_iter=max_iter,
                max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
                tolerance_grad=tolerance_grad,
                tolerance_change=tolerance_change,
                history_size=history_size,
                line_search_fn=line_search_fn,
            ),
        )
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    # ------------------------------------------------------------ all parameters as one vector

    def _flat_grad(self) -> Tensor:
        grads = [_C.zeros_like(p) if p.grad is None else p.grad for p in self._params]
        return _C.cat([_real(grad).reshape(-1) for grad in grads])

    def _move(self, length: float, direction: Tensor) -> None:
        offset = 0
        for p in map(_real, self._params):
            p.add_(direction[offset : offset + p.numel()].view_as(p), alpha=length)
            offset += p.numel()

    def _search(
        self, closure: Callable[[], Any], t: Any, d: Tensor, loss: float, gradient: Tensor, slope: Tensor, max_ls: int
    ) -> tuple[float, Tensor, Any, int]:
        start = [p.clone() for p in self._params]

        def evaluate(length: Any) -> tuple[float, Tensor]:
            self._move(length, d)
            value, slopes = float(call_with_grad(closure)), self._flat_grad()
            for p, saved in zip(self._params, start):
                p.copy_(saved)
            return value, slopes

        return _strong_wolfe(evaluate, t, d, loss, gradient, slope, max_ls=max_ls)

    # ------------------------------------------------------------ the iteration

    def step(self, closure: Callable[[], Any]) -> Any:
        """Runs up to `max_iter` iterations; returns the loss from before the first of them."""
        previous = _C.is_grad_enabled()
        _C._set_grad_enabled(False)
        try:
            return self._iterate(closure)
        finally:
            _C._set_grad_enabled(previous)

    def _iterate(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        lr, history_size = to_scalar(group["lr"]), group["history_size"]
        max_iter, max_eval, tolerance_change = group["max_iter"], group["max_eval"], group["tolerance_change"]
        # One state for all parameters; it sits at the first, where PyTorch's checkpoints have it.
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        def converged(gradient: Tensor) -> bool:
            return bool(gradient.abs().max() <= group["tolerance_grad"])

        first_loss = call_with_grad(closure)
        loss = float(first_loss)
        evaluations = 1
        state["func_evals"] += 1
        gradient = self._flat_grad()
        if converged(gradient):
            return first_loss

        d, t = state.get("d"), state.get("t")
        changes_y, changes_s, ro = state.get("old_dirs"), state.get("old_stps"), state.get("ro")
        h_diag = state.get("H_diag")
        last_gradient, last_loss = state.get("prev_flat_grad"), state.get("prev_loss")

        for iteration in range(1, max_iter + 1):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                d, h_diag = gradient.neg(), 1
                changes_y, changes_s, ro = [], [], []
            else:
                y, s = gradient.sub(last_gradient), d.mul(t)
                ys = y.dot(s)
                if ys > 1e-10:
                    if len(changes_y) == history_size:
                        for history in (changes_y, changes_s, ro):
                            history.pop(0)
                    changes_y.append(y)
                    changes_s.append(s)
                    ro.append(1.0 / ys)
                    h_diag = ys / y.dot(y)
                d = _two_loop(gradient, changes_y, changes_s, ro, h_diag, state.setdefault("al", [None] * history_size))
            if last_gradient is None:
                last_gradient = gradient.clone()
            else:
                last_gradient.copy_(gradient)
            last_loss = loss

            t = min(1.0, 1.0 / gradient.abs().sum()) * lr if state["n_iter"] == 1 else lr
            slope = gradient.dot(d)
            if slope > -tolerance_change:
                break

            spent = 0
            if group["line_search_fn"] is not None:
                if group["line_search_fn"] != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                loss, gradient, t, spent = self._search(closure, t, d, loss, gradient, slope, max_eval - evaluations)
                self._move(t, d)
                done = converged(gradient)
            else:
                self._move(t, d)
                done = False
                if iteration != max_iter:
                    # The last move needs no evaluation: the next step() begins with one.
                    loss = float(call_with_grad(closure))
                    gradient = self._flat_grad()
                    done = converged(gradient)
                    spent = 1
            evaluations += spent
            state["func_evals"] += spent

            if iteration == max_iter or evaluations >= max_eval or done:
                break
            if d.mul(t).abs().max() <= tolerance_change or abs(loss - last_loss) < tolerance_change:
                break

        state.update(
            d=d,
            t=t,
            old_dirs=changes_y,
            old_stps=changes_s,
            ro=ro,
            H_diag=h_diag,
            prev_flat_grad=last_gradient,
            prev_loss=last_loss,
        )
        return first_loss


def _real(t: Tensor) -> Tensor:
    return _C.view_as_real(t) if t.is_complex() else t


def _two_loop(
    gradient: Tensor, ys: list[Tensor], ss: list[Tensor], ro: list[Tensor], h_diag: Any, al: list[Any]
) -> Tensor:
    """Minus the inverse Hessian times the gradient (Nocedal and Wright, algorithm 7.4)."""
    q = gradient.neg()
    for i in reversed(range(len(ys))):
        al[i] = ss[i].dot(q) * ro[i]
        q.add_(ys[i], alpha=-al[i])
    r = _C.mul(q, h_diag)
    for i in range(len(ys)):
        r.add_(ss[i], alpha=al[i] - ys[i].dot(r) * ro[i])
    return r


def _cubic_minimum(x1: Any, f1: Any, g1: Any, x2: Any, f2: Any, g2: Any, bounds: Any = None) -> Any:
    """The minimum of the cubic through two points with given values and slopes, within bounds."""
    low, high = bounds or ((x1, x2) if x1 <= x2 else (x2, x1))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1**2 - g1 * g2
    if not square >= 0:
        return (low + high) / 2.0
    d2 = square.sqrt()
    if x1 <= x2:
        best = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        best = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(best, low), high)


def _strong_wolfe(
    evaluate: Callable[[Any], tuple[float, Tensor]],
    t: Any,
    d: Tensor,
    f: float,
    g: Tensor,
    slope: Tensor,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
    max_ls: int = 25,
) -> tuple[float, Tensor, Any, int]:
    """A length `t` along `d` that satisfies the strong Wolfe conditions; with loss, gradient, cost.

    First the length grows until an interval must hold such a point (algorithm 3.5), then the
    interval shrinks around it (3.6).  A point is `(t, loss, gradient, slope along d)`.
    """
    longest = d.abs().max()
    here = (0, f, g.clone(), slope)
    before = here

    def look(length: Any) -> tuple[Any, float, Tensor, Tensor]:
        value, gradient = evaluate(length)
        return length, value, gradient, gradient.dot(d)

    new = look(t)
    evaluations, steps = 1, 0
    bracket = [here, new]
    done = False
    while steps < max_ls:
        t, f_new, _, slope_new = new
        if f_new > f + c1 * t * slope or (steps > 1 and f_new >= before[1]):
            bracket = [before, new]
            break
        if abs(slope_new) <= -c2 * slope:
            bracket = [new]
            done = True
            break
        if slope_new >= 0:
            bracket = [before, new]
            break
        bounds = (t + 0.01 * (t - before[0]), t * 10)
        t_next = _cubic_minimum(before[0], before[1], before[3], t, f_new, slope_new, bounds)
        before, new = new, look(t_next)
        evaluations += 1
        steps += 1
    else:
        bracket = [here, new]

    # `low` and `high` are the ends by loss, not by length.
    low, high = (0, 1) if bracket[0][1] <= bracket[-1][1] else (1, 0)
    stalled = False
    while not done and steps < max_ls:
        (left, *_), (right, *_) = bracket
        if abs(right - left) * longest < tolerance_change:
            break
        t = _cubic_minimum(*(bracket[0][i] for i in (0, 1, 3)), *(bracket[1][i] for i in (0, 1, 3)))
        shortest, farthest = min(left, right), max(left, right)
        # Too near an end, twice running or outside: a tenth of the way in instead.
        margin = 0.1 * (farthest - shortest)
        if min(farthest - t, t - shortest) < margin:
            if stalled or t >= farthest or t <= shortest:
                t = farthest - margin if abs(t - farthest) < abs(t - shortest) else shortest + margin
                stalled = False
            else:
                stalled = True
        else:
            stalled = False

        new = look(t)
        evaluations += 1
        steps += 1
        if new[1] > f + c1 * t * slope or new[1] >= bracket[low][1]:
            bracket[high] = new
            low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
        else:
            if abs(new[3]) <= -c2 * slope:
                done = True
            elif new[3] * (bracket[high][0] - bracket[low][0]) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = new

    t, f_new, g_new, _ = bracket[low if len(bracket) > 1 else 0]
    return f_new, g_new, t, evaluations
