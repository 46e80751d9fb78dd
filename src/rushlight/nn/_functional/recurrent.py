"""Recurrent networks over whole sequences, a step at a time.

`lstm`, `gru`, `rnn_tanh` and `rnn_relu` take what PyTorch's operations of these names take (`params` is the flat
list of weights, layer by layer, forward before reverse), with `batch_sizes` as a last argument for packed input. A
fused kernel can stand in for any of them.
"""

from __future__ import annotations

from ... import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..._C import Tensor


def _rnn_step(activation: Callable) -> Callable:
    def step(projected: Tensor, state: tuple[Tensor, ...], weights) -> tuple[Tensor, ...]:
        return (activation(projected + _C.linear(state[0], weights[1], weights[3])),)

    return step


def _gru_step(projected: Tensor, state: tuple[Tensor, ...], weights) -> tuple[Tensor, ...]:
    """r, z = sigmoid(...); n = tanh(W_in x + b_in + r (W_hn h + b_hn)); h' = (1 - z) n + z h (Cho et al., 2014)."""
    (hidden,) = state
    in_r, in_z, in_n = projected.chunk(3, 1)
    from_r, from_z, from_n = _C.linear(hidden, weights[1], weights[3]).chunk(3, 1)
    reset = _C.sigmoid(in_r + from_r)
    update = _C.sigmoid(in_z + from_z)
    new = _C.tanh(in_n + reset * from_n)
    return ((hidden - new) * update + new,)


def _lstm_step(projected: Tensor, state: tuple[Tensor, ...], weights) -> tuple[Tensor, ...]:
    """c' = f c + i g; h' = o tanh(c'), projected by W_hr if there is one (Hochreiter and Schmidhuber, 1997)."""
    hidden, cell = state
    take, keep, new, show = (projected + _C.linear(hidden, weights[1], weights[3])).chunk(4, 1)
    cell = _C.sigmoid(keep) * cell + _C.sigmoid(take) * _C.tanh(new)
    hidden = _C.sigmoid(show) * _C.tanh(cell)
    if weights[4] is not None:
        hidden = _C.linear(hidden, weights[4])
    return hidden, cell


_STEPS = {
    "LSTM": _lstm_step,
    "GRU": _gru_step,
    "RNN_TANH": _rnn_step(_C.tanh),
    "RNN_RELU": _rnn_step(_C.relu),
}


def _scan(step: Callable, rows: tuple[Tensor, ...], state: tuple[Tensor, ...], weights):
    """Runs `step` over the rows of one direction; rows may shrink or grow in batch size, as packed sequences do.

    A sequence that ends leaves its state aside; going backwards one that begins joins with its initial state.
    """
    initial, ended, outputs = state, [], []
    size = rows[0].size(0)
    state = tuple(s[:size] for s in state) if state[0].size(0) != size else state
    for row in rows:
        now = row.size(0)
        if now < size:
            ended.append(tuple(s[now:] for s in state))
            state = tuple(s[:now] for s in state)
        elif now > size:
            state = tuple(_C.cat((s, i[size:now])) for s, i in zip(state, initial, strict=True))
        size = now
        state = step(row, state, weights)
        outputs.append(state[0])
    if ended:
        # The first to end are the last in the batch.
        state = tuple(_C.cat(parts) for parts in zip(state, *reversed(ended), strict=True))
    return outputs, state


def _run(
    step: Callable,
    input: Tensor,
    states: tuple[Tensor, ...],
    params: list[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    batch_sizes: Tensor | None,
) -> tuple[Tensor, ...]:
    """(output, *final states), each state (layers * directions, N, H)."""
    sizes = None if batch_sizes is None else batch_sizes.tolist()
    if sizes is None and batch_first:
        input = input.transpose(0, 1)
    directions = 2 if bidirectional else 1
    each = len(params) // (num_layers * directions)
    if sizes is not None:
        join = _C.cat
    elif step is _lstm_step and has_biases and each == 4 and directions == 1 and input.dtype is _C.float32:
        join = _C._lstm_layer_output
    else:
        join = _C.stack
    finals = []
    for layer in range(num_layers):
        both = []
        for direction in range(directions):
            run = layer * directions + direction
            weights = params[run * each : (run + 1) * each]
            if not has_biases:
                weights = [*weights[:2], None, None, *weights[2:]]
            if len(weights) == 4:
                weights = [*weights, None]
            # One product for all steps; only the recurrent half must go step by step.
            projected = _C.linear(input, weights[0], weights[2])
            rows = projected.unbind(0) if sizes is None else projected.split(sizes)
            outputs, final = _scan(
                step, rows[::-1] if direction else rows, tuple(state[run] for state in states), weights
            )
            finals.append(final)
            if direction:
                outputs.reverse()
            both.append(join(outputs))
        input = both[0] if directions == 1 else _C.cat(both, -1)
        if train and dropout > 0 and layer < num_layers - 1:
            input = _C.dropout(input, dropout, True)
    if sizes is None and batch_first:
        input = input.transpose(0, 1)
    return (input, *(_C.stack(parts) for parts in zip(*finals, strict=True)))


def lstm(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first, batch_sizes=None):
    """(output, h_n, c_n); `hx` is (h_0, c_0)."""
    return _run(
        _lstm_step, input, tuple(hx), params, has_biases, num_layers, dropout, train, bidirectional, batch_first,
        batch_sizes,
    )  # fmt: skip


def _single_state(step: Callable, meaning: str) -> Callable:
    def run(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first, batch_sizes=None):
        return _run(
            step, input, (hx,), params, has_biases, num_layers, dropout, train, bidirectional, batch_first, batch_sizes
        )

    run.__doc__ = meaning
    return run


gru = _single_state(_STEPS["GRU"], "(output, h_n).")
rnn_tanh = _single_state(_STEPS["RNN_TANH"], "(output, h_n) of h' = tanh(W_ih x + b_ih + W_hh h + b_hh).")
rnn_relu = _single_state(_STEPS["RNN_RELU"], "(output, h_n) of h' = relu(W_ih x + b_ih + W_hh h + b_hh).")


def cell(mode: str, input: Tensor, state: tuple[Tensor, ...], weight_ih, weight_hh, bias_ih, bias_hh):
    """One step of one layer: the new state."""
    weights = (weight_ih, weight_hh, bias_ih, bias_hh, None)
    return _STEPS[mode](_C.linear(input, weight_ih, bias_ih), state, weights)
