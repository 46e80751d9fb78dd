"""Products over named dimensions, and what is said best through them."""

from rushlight._ops.define import composite, python

_TENSORS = {"varargs": True}  # f(a, b) means f([a, b])

# ---------------------------------------------------------------- einsum


def _subscripts(args):
    """The equation and the operands, whether given as text or as tensors with lists of numbers."""
    if args and isinstance(args[0], str):
        operands = args[1:]
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = operands[0]
        return args[0], list(operands)

    def letters(numbers):
        out = ""
        for n in numbers:
            if n is Ellipsis:
                out += "..."
            elif 0 <= n < 52:
                out += chr(ord("A") + n) if n < 26 else chr(ord("a") + n - 26)
            else:
                raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")
        return out

    pairs = len(args) // 2
    equation = ",".join(letters(args[2 * i + 1]) for i in range(pairs))
    if len(args) % 2:
        equation += "->" + letters(args[-1])
    return equation, [args[2 * i] for i in range(pairs)]


def _dims(text, ndim, number):
    """One label a dimension of an operand; what an ellipsis stands for is labelled -1, -2, ... from the right."""
    head, dots, tail = text.partition("...")
    for ch in head + tail:
        if not (ch.isascii() and ch.isalpha()):
            if ch == ".":
                raise RuntimeError(f"einsum(): found '.' for operand {number} that is not part of any ellipsis")
            raise RuntimeError(f"einsum(): invalid subscript given at index {text.index(ch)} in the equation string, "
                               "subscripts must be in [a-zA-Z]")  # fmt: skip
    hidden = ndim - len(head) - len(tail)
    if hidden < 0 or (hidden and not dots):
        raise RuntimeError(f"einsum(): the number of subscripts in the equation ({len(head) + len(tail)}) "
                           + ("is more than the number of dimensions" if hidden < 0 and dots else "does not match the number of dimensions")
                           + f" ({ndim}) for operand {number}"
                           + ("" if dots else " and no ellipsis was given"))  # fmt: skip
    return [*head, *range(-hidden, 0), *tail]


def _diagonals(shape, dims):
    """The pairs of dimensions to merge so that no label is repeated, and what shape and labels are then."""
    merged = []
    for label in dims:
        while dims.count(label) > 1:
            i = dims.index(label)
            j = dims.index(label, i + 1)
            if shape[i] != shape[j]:
                raise RuntimeError(f"einsum(): subscript {label} is repeated for operand but the sizes don't match, "
                                   f"{shape[j]} != {shape[i]}")  # fmt: skip
            merged.append((i, j))
            dims = [*dims[:i], *dims[i + 1 : j], *dims[j + 1 :], label]
            shape = [*shape[:i], *shape[i + 1 : j], *shape[j + 1 :], shape[i]]
    return merged, list(shape), dims


def _count(sizes):
    n = 1
    for s in sizes:
        n *= s
    return n


def _order(dims, wanted):
    """What permute takes to bring dims into the wanted order; None: they are in it."""
    order = [dims.index(d) for d in wanted]
    return None if order == list(range(len(order))) else order


def _pair_plan(a_shape, a_dims, b_shape, b_dims, kept):
    """How to multiply two operands as one batched matrix product, summed over labels that nobody needs any more; and the
    shape and labels of the product."""
    lone_a = tuple(i for i, d in enumerate(a_dims) if d not in b_dims and d not in kept)
    lone_b = tuple(i for i, d in enumerate(b_dims) if d not in a_dims and d not in kept)
    size = dict(zip(a_dims, a_shape, strict=True)) | dict(zip(b_dims, b_shape, strict=True))
    a_dims = [d for i, d in enumerate(a_dims) if i not in lone_a]
    b_dims = [d for i, d in enumerate(b_dims) if i not in lone_b]
    both = [d for d in a_dims if d in b_dims]
    batch, inner = [d for d in both if d in kept], [d for d in both if d not in kept]
    left, right = [d for d in a_dims if d not in both], [d for d in b_dims if d not in both]
    dims = batch + left + right
    n, rows, k, columns = (_count(size[d] for d in group) for group in (batch, left, inner, right))
    if inner:
        lead = [n] if batch else []
        a_sizes, b_sizes = [*lead, rows, k], [*lead, k, columns]
    else:
        a_sizes = [size[d] for d in batch + left] + [1] * len(right)
        b_sizes = [size[d] for d in batch] + [1] * len(left) + [size[d] for d in right]
    kind = "mul" if not inner else "bmm" if batch else "mm"
    shape = [size[d] for d in dims]
    steps = (lone_a, _order(a_dims, batch + left + inner), a_sizes, lone_b, _order(b_dims, batch + inner + right), b_sizes, kind, shape)
    return steps, shape, dims


def _multiplied(a, b, steps):
    lone_a, a_order, a_sizes, lone_b, b_order, b_sizes, kind, shape = steps
    if lone_a:
        a = a.sum(lone_a)
    if lone_b:
        b = b.sum(lone_b)
    if a_order:
        a = a.permute(a_order)
    if b_order:
        b = b.permute(b_order)
    a, b = a.reshape(a_sizes), b.reshape(b_sizes)
    if kind == "mul":
        return a * b
    return (a.mm(b) if kind == "mm" else a.bmm(b)).reshape(shape)


_plans = {}


def _plan(equation, shapes):
    """What einsum does for operands of these shapes."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    texts = inputs.split(",")
    if len(texts) > len(shapes):
        raise RuntimeError("einsum(): fewer operands were provided than specified in the equation")
    if len(texts) < len(shapes):
        raise RuntimeError("einsum(): more operands were provided than specified in the equation")
    labelled = [_dims(text, len(shape), i) for i, (text, shape) in enumerate(zip(texts, shapes, strict=True))]
    seen = [d for dims in labelled for d in dims]
    hidden = sorted({d for d in seen if isinstance(d, int)})
    if arrow:
        head, dots, tail = output.partition("...")
        for ch in head + tail:
            if ch not in seen:
                raise RuntimeError(f"einsum(): output subscript {ch} does not appear in the equation for any input operand")
            if (head + tail).count(ch) > 1:
                raise RuntimeError(f"einsum(): output subscript {ch} appears more than once in the output")
        wanted = [*head, *(hidden if dots else []), *tail]
    else:
        wanted = hidden + sorted(d for d in set(seen) if not isinstance(d, int) and seen.count(d) == 1)

    merged = [_diagonals(shape, dims) for shape, dims in zip(shapes, labelled, strict=True)]
    size = {}
    for number, (_, shape, dims) in enumerate(merged):
        for d, n in zip(dims, shape, strict=True):
            if size.setdefault(d, n) != n:
                if size[d] != 1 and n != 1:
                    raise RuntimeError(f"einsum(): subscript {d} has size {n} for operand {number} which does not broadcast with "
                                       f"previously seen size {size[d]}")  # fmt: skip
                size[d] = max(size[d], n) if n else n
    operands = []
    for pairs, shape, dims in merged:
        full = [size[d] for d in dims]
        operands.append((pairs, full if full != shape else None))

    products = []
    shape, dims = [size[d] for d in merged[0][2]], merged[0][2]
    for i in range(1, len(merged)):
        later = {d for _, _, ds in merged[i + 1 :] for d in ds}
        x_dims = merged[i][2]
        steps, shape, dims = _pair_plan(shape, dims, [size[d] for d in x_dims], x_dims, later.union(wanted))
        products.append(steps)
    rest = [i for i, d in enumerate(dims) if d not in wanted]
    dims = [d for d in dims if d in wanted]
    return operands, products, rest, [dims.index(d) for d in wanted]


@python("einsum(object args) -> Tensor", method=False, extra=_TENSORS,
        doc="""Sums of products over dimensions that are named: "ij,jk->ik" is the matrix product.

        Without "->" the result has, in alphabetical order, the names that occur once. "..." stands for dimensions
        without names, which broadcast. A name given twice for one operand means its diagonal. Operands are multiplied
        from left to right, each pair as a batched matrix product.

        >>> import rushlight as torch
        >>> torch.einsum("ij,j->i", torch.eye(2), torch.tensor([1., 2.]))
        tensor([1., 2.])
        """)  # fmt: skip
def einsum(args):
    equation, operands = _subscripts(args)
    if not operands:
        raise RuntimeError("einsum(): must provide at least one operand")
    key = equation, *[x.shape for x in operands]
    plan = _plans.get(key)
    if plan is None:
        plan = _plan(equation, key[1:])
        if len(_plans) >= 256:
            _plans.clear()
        _plans[key] = plan
    prepared, products, rest, order = plan
    for i, (merged, full) in enumerate(prepared):
        for pair in merged:
            operands[i] = operands[i].diagonal(0, *pair)
        if full:
            operands[i] = operands[i].expand(full)
    result = operands[0]
    for x, steps in zip(operands[1:], products, strict=True):
        result = _multiplied(result, x, steps)
    return (result.sum(rest) if rest else result).permute(order)


# ---------------------------------------------------------------- products of two


@python("tensordot(Tensor a, Tensor b, object dims=2) -> Tensor".replace("object dims=2", "object? dims=None"), out=True, method=False,
        doc="The sum of products over dims: a number counts the last ones of a and the first ones of b, two lists name them.")  # fmt: skip
def tensordot(a, b, dims):
    dims = 2 if dims is None else dims
    if hasattr(dims, "tolist"):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.dim(), b.dim()):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        left, right = list(range(a.dim() - dims, a.dim())), list(range(dims))
    else:
        left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(left) != len(right):
        raise RuntimeError("both dimension lists should have same length")
    left, right = [d % a.dim() for d in left], [d % b.dim() for d in right]
    for i, j in zip(left, right, strict=True):
        if a.shape[i] == b.shape[j]:
            continue
        if a.shape[i] != 1 and b.shape[j] != 1:
            raise RuntimeError(f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} and second has size "
                               f"{b.shape[j]} in dim {j}")  # fmt: skip
        a, b = (a, b.sum(j, keepdim=True)) if a.shape[i] == 1 else (a.sum(i, keepdim=True), b)
    names_a = list(range(a.dim()))
    names_b = [left[right.index(d)] if d in right else a.dim() + d for d in range(b.dim())]
    kept = {n for n in names_a if n not in left} | {n for n in names_b if n >= a.dim()}
    return _multiplied(a, b, _pair_plan(a.shape, names_a, b.shape, names_b, kept)[0])


@python("inner(Tensor input, Tensor other) -> Tensor", out=True, doc="Sums of products over the last dimension of both.")
def inner(input, other):
    if input.dim() == 0 or other.dim() == 0:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(f"inner() the last dimension must match on both input tensors but got shapes {list(input.shape)} and {list(other.shape)}")
    return tensordot(input, other, ([-1], [-1]))


@python("kron(Tensor input, Tensor other) -> Tensor", out=True, doc="Kronecker's product: every element of input times all of other.")
def kron(input, other):
    n = max(input.dim(), other.dim())
    a = input.reshape([1] * (n - input.dim()) + list(input.shape))
    b = other.reshape([1] * (n - other.dim()) + list(other.shape))
    wide_a = [s for size in a.shape for s in (size, 1)]
    wide_b = [s for size in b.shape for s in (1, size)]
    return (a.reshape(wide_a) * b.reshape(wide_b)).reshape([x * y for x, y in zip(a.shape, b.shape, strict=True)])


composite("linalg_cross(Tensor input, Tensor other, *, int dim=-1) -> Tensor", """
check(input.ndim == other.ndim, "RuntimeError", "linalg.cross: inputs must have the same number of dimensions.")
check(dim >= -input.ndim and dim < input.ndim, "IndexError", "Dimension out of range (expected to be in range of [%lld, %lld], but got %lld)",
      -input.ndim, input.ndim - 1, dim)
check(input.shape[dim] == 3 and other.shape[dim] == 3, "RuntimeError", "linalg.cross: inputs dimension %lld must have length 3. Got %lld and %lld",
      dim, input.shape[dim], other.shape[dim])
return roll(input, [-1], [dim]) * roll(other, [-2], [dim]) - roll(input, [-2], [dim]) * roll(other, [-1], [dim])
""", out="exact distinct", method=False, namespaces=("linalg",), node="LinalgCrossBackward0",
          derivative={"input": "linalg_cross(conj(other), grad, dim=dim)", "other": "linalg_cross(grad, conj(input), dim=dim)"},
          doc="The vector product along a dimension of length 3.")  # fmt: skip


@python("cross(Tensor input, Tensor other, int? dim=None) -> Tensor", out="exact distinct",
        doc="The vector product along a dimension of length 3: the first such, unless dim says which.")  # fmt: skip
def cross(input, other, dim):
    from rushlight import _C

    if dim is None:
        import warnings

        warnings.warn("Using torch.cross without specifying the dim arg is deprecated.\nPlease either pass the dim explicitly or simply use "
                      "torch.linalg.cross.\nThe default value of dim will change to agree with that of linalg.cross in a future release.",
                      stacklevel=2)  # fmt: skip
        if 3 not in input.shape:
            raise RuntimeError("no dimension of size 3 in input")
        dim = list(input.shape).index(3)
    return _C.linalg_cross(input, other, dim=dim)


@python("linalg_multi_dot(Tensor[] tensors) -> Tensor", out=True, method=False, namespaces=("linalg",),
        doc="A chain of matrix products, in the order that takes the fewest multiplications (Cormen et al., section 14.2).")  # fmt: skip
def linalg_multi_dot(tensors):
    n = len(tensors)
    if n < 2:
        raise RuntimeError("multi_dot(): expected at least 2 tensors but got " + str(n))
    for i, x in enumerate(tensors):
        if x.dim() != 2 and not (x.dim() == 1 and i in (0, n - 1)):
            wanted = "1D or 2D" if i in (0, n - 1) else "2D"
            which = "the first tensor" if i == 0 else "the last tensor" if i == n - 1 else f"tensor {i}"
            raise RuntimeError(f"multi_dot(): {which} must be {wanted} but got {x.dim()}D")
    vector_first, vector_last = tensors[0].dim() == 1, tensors[-1].dim() == 1
    chain = list(tensors)
    if vector_first:
        chain[0] = chain[0].unsqueeze(0)
    if vector_last:
        chain[-1] = chain[-1].unsqueeze(1)
    p = [chain[0].shape[0], *(x.shape[1] for x in chain)]
    for i in range(n - 1):
        if chain[i].shape[1] != chain[i + 1].shape[0]:
            raise RuntimeError(f"multi_dot(): tensors {i} and {i + 1} with shapes {list(tensors[i].shape)} and {list(tensors[i + 1].shape)} "
                               "cannot be multiplied")  # fmt: skip
    cost = [[0] * n for _ in range(n)]
    cut = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], cut[i][j] = min((cost[i][k] + cost[k + 1][j] + p[i] * p[k + 1] * p[j + 1], k) for k in range(i, j))

    def product(i, j):
        return chain[i] if i == j else product(i, cut[i][j]).mm(product(cut[i][j] + 1, j))

    result = product(0, n - 1)
    if vector_first:
        result = result.squeeze(0)
    return result.squeeze(-1) if vector_last else result


@python("chain_matmul(Tensor[] matrices) -> Tensor", out=True, method=False, extra=_TENSORS, doc="linalg.multi_dot() of matrices, under its old name.")
def chain_matmul(matrices):
    return matrices[0] if len(matrices) == 1 else linalg_multi_dot(matrices)
