"""Operations that are seldom called: old names, histograms of several dimensions, segments, tensors replaced in place."""

from rushlight._ops.define import native, python

# ---------------------------------------------------------------- old names and small methods


@python("__rdiv__(Tensor input, Operand other) -> Tensor", function=False, doc="other / input, under the name that Python 2 had for it.")
def __rdiv__(input, other):
    return input.reciprocal() * other


@python("float_power_(Tensor input, Operand exponent) -> Tensor", function=False, doc="float_power() in place: of float64 or complex128 only.")
def float_power_(input, exponent):
    from rushlight import _C

    complex_power = exponent.is_complex() if isinstance(exponent, _C.Tensor) else isinstance(exponent, complex)
    wide = _C.complex128 if input.is_complex() or complex_power else _C.float64
    if input.dtype != wide:
        kind = {_C.float64: "Double", _C.complex128: "ComplexDouble"}[wide]
        raise RuntimeError(f"the base given to float_power_ has dtype {input.type().split('.')[-1].removesuffix('Tensor')} but the "
                           f"operation's result requires dtype {kind}")  # fmt: skip
    return input.copy_(_C.float_power(input, exponent))


native("is_set_to(Tensor input, Tensor tensor) -> object", function=False, code="""
PyObject *impl_is_set_to(Tensor *t, Tensor *other) {
    return PyBool_FromLong(t->storage == other->storage && t->data == other->data && rl_same_shape(t, other) &&
                           memcmp(t->stride, other->stride, (size_t)t->ndim * sizeof(int64_t)) == 0);
}
""", doc="Whether two tensors are the same look at the same memory.")  # fmt: skip


@python("map2_(Tensor input, Tensor x, Tensor y, object callable) -> Tensor", function=False,
        doc="Every element replaced by what a Python function makes of it and of those of x and y; slow.")  # fmt: skip
def map2_(input, x, y, callable):
    from rushlight import _C

    if (input.requires_grad or x.requires_grad or y.requires_grad) and _C.is_grad_enabled():
        raise RuntimeError("Can't call map2_() on Variable that requires grad. Use var.detach().map2_() instead.")
    columns = (input.reshape(-1).tolist(), x.expand(input.shape).reshape(-1).tolist(), y.expand(input.shape).reshape(-1).tolist())
    values = [callable(*each) for each in zip(*columns, strict=True)]
    return input.copy_(_C.tensor(values, dtype=input.dtype).reshape(input.shape))


@python("to_dense(Tensor input, dtype? dtype=None, *, bool? masked_grad=None) -> Tensor", function=False, doc="The tensor itself: all are dense.")
def to_dense(input, dtype, masked_grad):
    return input if dtype is None else input.to(dtype)


# ---------------------------------------------------------------- convolution with time first


@python("conv_tbc(Tensor input, Tensor weight, Tensor bias, int pad=0) -> Tensor", method=False, out=True,
        doc="conv1d() of (time, batch, channels) with weight (width, in, out).")  # fmt: skip
def conv_tbc(input, weight, bias, pad):
    from rushlight import _C

    for name, t in (("Input", input), ("Weight", weight)):
        if t.dim() != 3:
            raise RuntimeError(f"{name} must have 3 dims: time, batch, in_channel." if name == "Input" else
                               "Weight tensor must have 3 dims: kernel_width, in_channels, out_channels.")  # fmt: skip
    return _C.conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad).permute(2, 0, 1)


# ---------------------------------------------------------------- counting and segments


@python("histogramdd(Tensor input, object bins, object? range=None, Tensor? weight=None, bool density=False) -> object", method=False,
        doc="Counts (or weights) of points (rows of the last dimension) between edges in each dimension, and the edges.")  # fmt: skip
def histogramdd(input, bins, range, weight, density):
    import builtins
    from collections import namedtuple

    from rushlight import _C

    if input.dim() < 2:
        raise RuntimeError("torch.histogramdd: input tensor should have at least 2 dimensions, but got " + str(input.dim()))
    if not input.is_floating_point():
        raise RuntimeError(f'"histogramdd" not implemented for \'{input.type().split(".")[-1].removesuffix("Tensor")}\'')
    points = input.detach().reshape(-1, input.shape[-1])
    n = points.shape[1]
    bins = bins if isinstance(bins, (list, tuple)) else [bins] * n
    if len(bins) != n:
        raise RuntimeError(f"torch.histogramdd: expected {n} sequences of bin edges for a {n}-dimensional histogram but got {len(bins)}")
    if weight is not None and weight.shape != input.shape[:-1]:
        raise RuntimeError("torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor excluding its "
                           f"innermost dimension, but got input with shape {list(input.shape)} and weight with shape {list(weight.shape)}")  # fmt: skip
    place, inside, edges = _C.zeros(len(points), dtype=_C.int64), _C.ones(len(points), dtype=_C.bool), []
    for d, (column, given) in enumerate(zip(points.unbind(1), bins, strict=True)):
        if isinstance(given, _C.Tensor):
            edge = given.detach().to(input.dtype)
        else:
            low, high = (0.0, 0.0) if not len(points) else (float(column.min()), float(column.max()))
            low, high = (low, high) if range is None else (float(range[2 * d]), float(range[2 * d + 1]))
            low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
            edge = _C.linspace(low, high, int(given) + 1, dtype=input.dtype)
        count = len(edge) - 1
        at = _C.searchsorted(edge, column.contiguous(), right=True) - 1
        inside &= (column >= edge[0]) & (column <= edge[-1])
        place = place * count + at.clamp(0, max(count - 1, 0))  # the last interval is closed
        edges.append(edge)
    sizes = [len(edge) - 1 for edge in edges]
    total = 1
    for size in sizes:
        total *= size
    amounts = inside.to(input.dtype) if weight is None else weight.detach().reshape(-1) * inside
    hist = _C.zeros(total, dtype=input.dtype).scatter_add(0, place, amounts.to(input.dtype)).reshape(sizes)
    if density:
        hist = hist / hist.sum()
        for d, edge in enumerate(edges):
            hist = hist / edge.diff().reshape([-1 if k == d else 1 for k in builtins.range(n)])
    # mypy understands namedtuple() only where a name is bound to it
    return namedtuple("histogramdd", "hist bin_edges")(hist, tuple(edges))  # type: ignore[call-arg]


@python("segment_reduce(Tensor data, str reduce, *, Tensor? lengths=None, Tensor? indices=None, Tensor? offsets=None, int axis=0, "
        "bool unsafe=False, Scalar? initial=None) -> Tensor", method=False, out=True,
        doc="sum, mean, max, min or prod of consecutive parts of a dimension, given by their lengths or offsets.")  # fmt: skip
def segment_reduce(data, reduce, lengths, indices, offsets, axis, unsafe, initial):
    from rushlight import _C

    if reduce not in ("sum", "mean", "max", "min", "prod"):
        raise RuntimeError(f"unsupported reduction given! {reduce}")
    if lengths is None and offsets is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    if data.numel() == 0:
        raise RuntimeError("Expected data.numel() > 0 to be true, but got false.")
    lengths = offsets.diff() if lengths is None else lengths
    axis %= data.dim()
    if lengths.dim() != axis + 1:
        raise RuntimeError(f"Expected lengths to have {axis + 1} dimensions, but got {lengths.dim()}")
    rows = data.reshape(-1, *data.shape[axis:])
    start = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": -float("inf"), "min": float("inf")}[reduce] if initial is None else float(initial)
    names = {"sum": "sum add", "mean": "sum add", "prod": "prod mul", "max": "amax clamp_min", "min": "amin clamp_max"}
    fold, combine = (getattr(_C, name) for name in names[reduce].split())
    out = []
    for row, sizes in zip(rows.unbind(0), lengths.reshape(-1, lengths.shape[-1]).tolist(), strict=True):
        if not unsafe and (min(sizes, default=0) < 0 or sum(sizes) != row.shape[0]):
            raise RuntimeError("segment_reduce(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1) when !unsafe.")
        for part in row[: sum(sizes)].split(sizes):
            if not len(part):
                empty = float("nan") if reduce == "mean" and initial is None else start
                out.append(row.new_full(row.shape[1:], empty))
                continue
            whole = combine(fold(part, 0), start)
            out.append(whole / len(part) if reduce == "mean" else whole)
    return _C.stack(out).reshape(*data.shape[:axis], lengths.shape[-1], *data.shape[axis + 1 :])
