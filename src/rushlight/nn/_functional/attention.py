"""Scaled dot-product attention and the multi-head attention built on it."""

from __future__ import annotations

from math import sqrt

from ... import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..._C import Tensor, dtype as DType

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(Q K^T scale + mask) V: (..., L, E), (..., S, E), (..., S, Ev) -> (..., L, Ev).

    A boolean mask keeps where it is True; `scale` is 1 / sqrt(E) by default. A query that may see nothing gives zeros.

    >>> import rushlight as torch
    >>> q = k = v = torch.zeros(2, 4, 5, 8)
    >>> torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).shape
    torch.Size([2, 4, 5, 8])
    """
    if attn_mask is not None and is_causal:
        raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    if enable_gqa:
        groups = query.size(-3) // key.size(-3)
        key = key.repeat_interleave(groups, -3)
        value = value.repeat_interleave(query.size(-3) // value.size(-3), -3)
    if scale is None:
        scale = 1.0 / sqrt(query.size(-1))
    scores = _C.matmul(query * scale, key.transpose(-2, -1))
    blind = None
    if is_causal:
        seen = _C.ones(scores.shape[-2:], dtype=_C.bool, device=scores.device).tril()
        scores = scores.masked_fill(~seen, float("-inf"))
    elif attn_mask is not None:
        if attn_mask.dtype == _C.bool:
            scores = scores.masked_fill(~attn_mask, float("-inf"))
        else:
            scores = scores + attn_mask
        blind = (scores == float("-inf")).all(-1, keepdim=True)
        if blind.any():
            # The softmax of a row of -inf is not a number, and neither is its derivative.
            scores = scores.masked_fill(blind, 0.0)
        else:
            blind = None
    weights = _C.softmax(scores, -1)
    if blind is not None:
        weights = weights.masked_fill(blind, 0.0)
    if dropout_p > 0.0:
        weights = _C.dropout(weights, dropout_p, True)
    return _C.matmul(weights, value)


def _none_or_dtype(input: Tensor | None) -> DType | None:
    return None if input is None else input.dtype


def _canonical_mask(
    mask: Tensor | None,
    mask_name: str,
    other_type: DType | None,
    other_name: str,
    target_type: DType,
    check_other: bool = True,
) -> Tensor | None:
    """A boolean mask (True: hidden) as numbers to add to the scores; a floating one as it is."""
    if mask is None:
        return None
    is_float = mask.is_floating_point()
    if mask.dtype != _C.bool and not is_float:
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if check_other and other_type is not None and mask.dtype != other_type:
        import warnings

        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=2,
        )
    if is_float:
        return mask
    return _C.zeros_like(mask, dtype=target_type).masked_fill_(mask, float("-inf"))


def _check_dimensions(query, key, value, key_padding_mask, attn_mask, num_heads: int) -> bool:
    """Whether the input has a batch dimension; PyTorch's AssertionErrors where the dimensions do not fit."""
    ndim = query.dim()
    if ndim not in (2, 3):
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {ndim}-D query tensor")
    form = f"For {'batched' if ndim == 3 else 'unbatched'} ({ndim}-D) `query`, expected"
    if key.dim() != ndim or value.dim() != ndim:
        raise AssertionError(
            f"{form} `key` and `value` to be {ndim}-D but found {key.dim()}-D and {value.dim()}-D tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.dim() != ndim - 1:
        raise AssertionError(
            f"{form} `key_padding_mask` to be `None` or {ndim - 1}-D "
            f"but found {key_padding_mask.dim()}-D tensor instead"
        )
    if attn_mask is not None:
        if attn_mask.dim() not in (2, 3):
            raise AssertionError(
                f"{form} `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.dim()}-D tensor instead"
            )
        expected = (num_heads, query.shape[0], key.shape[0])
        if ndim == 2 and attn_mask.dim() == 3 and attn_mask.shape != expected:
            raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}")
    return ndim == 3


def _project_packed(query, key, value, weight, bias) -> tuple[Tensor, Tensor, Tensor]:
    """The three projections from one weight (3E, E): one product where the inputs are one tensor."""
    if query is key and key is value:
        return _C.linear(query, weight, bias).chunk(3, -1)
    width = query.size(-1)
    if key is value:
        weight_q, weight_kv = weight.split([width, 2 * width])
        bias_q, bias_kv = (None, None) if bias is None else bias.split([width, 2 * width])
        return (_C.linear(query, weight_q, bias_q), *_C.linear(key, weight_kv, bias_kv).chunk(2, -1))
    weight_q, weight_k, weight_v = weight.chunk(3)
    return _project(query, key, value, weight_q, weight_k, weight_v, bias)


def _project(query, key, value, weight_q, weight_k, weight_v, bias) -> tuple[Tensor, Tensor, Tensor]:
    width = query.size(-1)
    for name, given, weight in (("query", query, weight_q), ("key", key, weight_k), ("value", value, weight_v)):
        if weight.shape != (width, given.size(-1)):
            raise AssertionError(f"expecting {name} weights shape of {(width, given.size(-1))}, but got {weight.shape}")
    biases = (None, None, None) if bias is None else bias.chunk(3)
    return (
        _C.linear(query, weight_q, biases[0]),
        _C.linear(key, weight_k, biases[1]),
        _C.linear(value, weight_v, biases[2]),
    )


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What nn.MultiheadAttention computes; see there. Tensors are (L, N, E), or (L, E) for one sequence."""
    batched = _check_dimensions(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        # Equal arguments stay one object, see _project_packed.
        rows = {id(x): x.unsqueeze(1) for x in (query, key, value)}
        query, key, value = rows[id(query)], rows[id(key)], rows[id(value)]
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    head_dim = width // num_heads
    heads = batch * num_heads

    key_padding_mask = _canonical_mask(
        key_padding_mask, "key_padding_mask", _none_or_dtype(attn_mask), "attn_mask", query.dtype
    )
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. "
            "You may use the Transformer module method `generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None
    else:
        attn_mask = _canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, check_other=False)
        is_causal = False

    if width != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}")
    if head_dim * num_heads != width:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(
                f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
            )
        q, k, v = _project(query, key, value, q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias)
    else:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _project_packed(query, key, value, in_proj_weight, in_proj_bias)

    if attn_mask is not None:
        if attn_mask.dim() == 2:
            expected = (length, key.size(0))
            if attn_mask.shape != expected:
                raise RuntimeError(f"The shape of the 2D attn_mask is {attn_mask.shape}, but should be {expected}.")
            attn_mask = attn_mask.unsqueeze(0)
        else:
            expected = (heads, length, key.size(0))
            if attn_mask.shape != expected:
                raise RuntimeError(f"The shape of the 3D attn_mask is {attn_mask.shape}, but should be {expected}.")

    extra = 0
    if bias_k is not None and bias_v is not None:
        if static_k is not None:
            raise AssertionError("bias cannot be added to static key.")
        if static_v is not None:
            raise AssertionError("bias cannot be added to static value.")
        k = _C.cat((k, bias_k.repeat(1, batch, 1)))
        v = _C.cat((v, bias_v.repeat(1, batch, 1)))
        extra = 1

    def by_head(x: Tensor) -> Tensor:
        return x.reshape(x.size(0), heads, head_dim).transpose(0, 1)

    q = by_head(q)
    k = by_head(k) if static_k is None else _check_static("k", static_k, heads, head_dim)
    v = by_head(v) if static_v is None else _check_static("v", static_v, heads, head_dim)
    if add_zero_attn:
        zero = k.new_zeros((heads, 1, head_dim))
        k, v = _C.cat((k, zero), 1), _C.cat((v, zero), 1)
        extra += 1
    # Keys that no caller's mask covers are seen by all.
    if extra and attn_mask is not None:
        attn_mask = _C.constant_pad_nd(attn_mask, (0, extra), 0)
    if extra and key_padding_mask is not None:
        key_padding_mask = _C.constant_pad_nd(key_padding_mask, (0, extra), 0)
    keys = k.size(1)
    if key_padding_mask is not None:
        for dim, expected in ((0, batch), (1, keys)):
            if key_padding_mask.shape[dim] != expected:
                raise AssertionError(
                    f"Expected key_padded_mask.shape[{dim}] to be {expected}, but got {key_padding_mask.shape[dim]}"
                )
        hidden = key_padding_mask.view(batch, 1, 1, keys).expand(-1, num_heads, -1, -1).reshape(heads, 1, keys)
        attn_mask = hidden if attn_mask is None else attn_mask + hidden
    if not training:
        dropout_p = 0.0

    if need_weights:
        scores = _C.bmm(q * sqrt(1.0 / head_dim), k.transpose(1, 2))
        if attn_mask is not None:
            scores = scores + attn_mask
        weights = _C.softmax(scores, -1)
        if dropout_p > 0.0:
            weights = _C.dropout(weights, dropout_p, True)
        attended = _C.bmm(weights, v)
        weights = weights.view(batch, num_heads, length, keys)
        if average_attn_weights:
            weights = weights.mean(1)
    else:
        weights = None
        if attn_mask is not None:
            whole = attn_mask.size(0) == 1
            attn_mask = attn_mask.unsqueeze(0) if whole else attn_mask.view(batch, num_heads, -1, keys)
        q = q.view(batch, num_heads, length, head_dim)
        k, v = k.view(batch, num_heads, keys, head_dim), v.view(batch, num_heads, keys, head_dim)
        attended = scaled_dot_product_attention(q, k, v, attn_mask, dropout_p, is_causal)
        attended = attended.reshape(heads, length, head_dim)
    output = _C.linear(attended.transpose(0, 1).reshape(length, batch, width), out_proj_weight, out_proj_bias)
    if batched:
        return output, weights
    return output.squeeze(1), None if weights is None else weights.squeeze(0)


def _check_static(name: str, given: Tensor, heads: int, head_dim: int) -> Tensor:
    for dim, expected in ((0, heads), (2, head_dim)):
        if given.size(dim) != expected:
            raise AssertionError(f"expecting static_{name}.size({dim}) of {expected}, but got {given.size(dim)}")
    return given
