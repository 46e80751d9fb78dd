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


def _dims(text, operand, number):
    """One label a dimension of the operand; what an ellipsis stands for is labelled -1, -2, ... from the right."""
    head, dots, tail = text.partition("...")
    for ch in head + tail:
        if not (ch.isascii() and ch.isalpha()):
            if ch == ".":
                raise RuntimeError(f"einsum(): found '.' for operand {number} that is not part of any ellipsis")
            raise RuntimeError(f"einsum(): invalid subscript given at index {text.index(ch)} in the equation string, "
                               "subscripts must be in [a-zA-Z]")  # fmt: skip
    hidden = operand.dim() - len(head) - len(tail)
    if hidden < 0 or (hidden and not dots):
        raise RuntimeError(f"einsum(): the number of subscripts in the equation ({len(head) + len(tail)}) "
                           + ("is more than the number of dimensions" if hidden < 0 and dots else "does not match the number of dimensions")
                           + f" ({operand.dim()}) for operand {number}"
                           + ("" if dots else " and no ellipsis was given"))  # fmt: skip
    return [*head, *range(-hidden, 0), *tail]


def _diagonal(x, dims):
    """Without repeated labels: the diagonal of dimensions that share one."""
    for label in dims:
        while dims.count(label) > 1:
            i = dims.index(label)
            j = dims.index(label, i + 1)
            if x.shape[i] != x.shape[j]:
                raise RuntimeError(f"einsum(): subscript {label} is repeated for operand but the sizes don't match, "
                                   f"{x.shape[j]} != {x.shape[i]}")  # fmt: skip
            x = x.diagonal(0, i, j)
            dims = [*dims[:i], *dims[i + 1 : j], *dims[j + 1 :], label]
    return x, dims


def _pair(a, a_dims, b, b_dims, kept):
    """The product of two operands, summed over labels that nobody needs any more, as one batched matrix product."""
    lone_a = tuple(i for i, d in enumerate(a_dims) if d not in b_dims and d not in kept)
    lone_b = tuple(i for i, d in enumerate(b_dims) if d not in a_dims and d not in kept)
    if lone_a:
        a, a_dims = a.sum(lone_a), [d for i, d in enumerate(a_dims) if i not in lone_a]
    if lone_b:
        b, b_dims = b.sum(lone_b), [d for i, d in enumerate(b_dims) if i not in lone_b]
    both = [d for d in a_dims if d in b_dims]
    batch, inner = [d for d in both if d in kept], [d for d in both if d not in kept]
    left, right = [d for d in a_dims if d not in both], [d for d in b_dims if d not in both]
    a = a.permute([a_dims.index(d) for d in batch + left + inner])
    b = b.permute([b_dims.index(d) for d in batch + inner + right])
    nb, nl, ni = len(batch), len(left), len(inner)
    if ni == 0:
        return a.reshape(*a.shape, *[1] * len(right)) * b.reshape(*b.shape[:nb], *[1] * nl, *b.shape[nb:]), batch + left + right

    def count(sizes):
        n = 1
        for s in sizes:
            n *= s
        return n

    sizes = [*a.shape[: nb + nl], *b.shape[nb + ni :]]
    k = count(a.shape[nb + nl :])
    rows, columns = count(a.shape[nb : nb + nl]), count(b.shape[nb + ni :])
    if nb == 0:
        return a.reshape(rows, k).mm(b.reshape(k, columns)).reshape(sizes), left + right
    n = count(a.shape[:nb])
    return a.reshape(n, rows, k).bmm(b.reshape(n, k, columns)).reshape(sizes), batch + left + right


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
    equation = equation.replace(" ", "")
    inputs, arrow, output = equation.partition("->")
    texts = inputs.split(",")
    if len(texts) > len(operands):
        raise RuntimeError("einsum(): fewer operands were provided than specified in the equation")
    if len(texts) < len(operands):
        raise RuntimeError("einsum(): more operands were provided than specified in the equation")
    labelled = [_dims(t, x, i) for i, (t, x) in enumerate(zip(texts, operands, strict=True))]
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

    pairs = [_diagonal(x, dims) for x, dims in zip(operands, labelled, strict=True)]
    size = {}
    for number, (x, dims) in enumerate(pairs):
        for d, n in zip(dims, x.shape, strict=True):
            if size.setdefault(d, n) != n:
                if size[d] != 1 and n != 1:
                    raise RuntimeError(f"einsum(): subscript {d} has size {n} for operand {number} which does not broadcast with "
                                       f"previously seen size {size[d]}")  # fmt: skip
                size[d] = max(size[d], n) if n else n
    pairs = [(x.expand([size[d] for d in dims]) if any(size[d] != n for d, n in zip(dims, x.shape, strict=True)) else x, dims)
             for x, dims in pairs]  # fmt: skip

    result, dims = pairs[0]
    for i in range(1, len(pairs)):
        x, x_dims = pairs[i]
        later = {d for _, ds in pairs[i + 1 :] for d in ds}
        result, dims = _pair(result, dims, x, x_dims, later.union(wanted))
    rest = [i for i, d in enumerate(dims) if d not in wanted]
    if rest:
        result, dims = result.sum(rest), [d for d in dims if d in wanted]
    return result.permute([dims.index(d) for d in wanted])


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
    return _pair(a, names_a, b, names_b, kept)[0]


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
