"""Linear algebra that tells of failures instead of raising, Householder reflections, and equations of tensors."""

from rushlight._ops.define import composite, python

_NS = dict(method=False, namespaces=("linalg",))


def _zero_info(A):
    from rushlight import _C

    return _C.zeros(A.shape[:-2], dtype=_C.int32)


def _with_info(A, compute, fail, check_errors, name):
    """compute(A), and for each matrix 0 or what `fail` says of it: results of matrices that fail are NaN."""
    from rushlight import _C
    from rushlight.linalg import LinAlgError

    try:
        return compute(A), _zero_info(A)
    except LinAlgError as error:
        if check_errors:
            raise LinAlgError(str(error).replace(error.args[0].partition(":")[0], name, 1)) from None
    flat, results, info = A.reshape(-1, *A.shape[-2:]), [], []
    for matrix in flat:
        try:
            results.append(compute(matrix))
            info.append(0)
        except LinAlgError:
            results.append(_C.full_like(matrix, float("nan")))
            info.append(fail(matrix))
    return _C.stack(results).reshape(A.shape), _C.tensor(info, dtype=_C.int32).reshape(A.shape[:-2])


def _first_zero_pivot(matrix):
    from rushlight import _C

    pivots = _C.linalg_lu_factor(matrix.detach())[0].diagonal()
    zeros = (pivots == 0).nonzero()
    return int(zeros[0]) + 1 if len(zeros) else 0


def _first_bad_minor(matrix):
    from rushlight import _C
    from rushlight.linalg import LinAlgError

    for order in range(1, matrix.shape[-1] + 1):
        try:
            _C.linalg_cholesky(matrix.detach()[:order, :order])
        except LinAlgError:
            return order
    return 0


@python("linalg_inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)", out=True, **_NS,
        doc="linalg.inv(), and for each matrix 0 or the order of the zero pivot that kept it from being inverted.")  # fmt: skip
def linalg_inv_ex(A, check_errors):
    from rushlight import _C

    return _with_info(A, _C.linalg_inv, _first_zero_pivot, check_errors, "linalg.inv_ex")


@python("linalg_cholesky_ex(Tensor input, *, bool upper=False, bool check_errors=False) -> (Tensor L, Tensor info)", out=True, **_NS,
        doc="linalg.cholesky(), and for each matrix 0 or the order of the first leading minor that is not positive definite.")  # fmt: skip
def linalg_cholesky_ex(input, upper, check_errors):
    from rushlight import _C

    return _with_info(input, lambda a: _C.linalg_cholesky(a, upper=upper), _first_bad_minor, check_errors, "linalg.cholesky_ex")


@python("linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (Tensor result, Tensor info)", out=True, **_NS,
        doc="linalg.solve(), and for each matrix 0 or the order of its zero pivot; with one the result is NaN.")  # fmt: skip
def linalg_solve_ex(A, B, left, check_errors):
    from rushlight import _C
    from rushlight.linalg import LinAlgError

    try:
        return _C.linalg_solve(A, B, left=left), _zero_info(A)
    except LinAlgError:
        if check_errors:
            raise
    _, info = linalg_inv_ex(A, False)
    regular = _C.where((info == 0)[..., None, None], A, _C.eye(A.shape[-1], dtype=A.dtype))
    result = _C.linalg_solve(regular, B, left=left)
    vector = B.dim() == 1 or (B.dim() == A.dim() - 1 and B.shape == A.shape[:-1])
    return result.masked_fill((info != 0)[(..., None) if vector else (..., None, None)], float("nan")), info


@python("linalg_lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False) -> (Tensor LU, Tensor pivots, Tensor info)", out=True, **_NS,
        doc="linalg.lu_factor(), and for each matrix 0 or the order of the first zero on U's diagonal.")  # fmt: skip
def linalg_lu_factor_ex(A, pivot, check_errors):
    from rushlight import _C
    from rushlight.linalg import LinAlgError

    LU, pivots = _C.linalg_lu_factor(A, pivot=pivot)
    zero = LU.detach().diagonal(0, -2, -1) == 0
    info = _C.where(zero.any(-1), zero.int().argmax(-1) + 1, 0).int() if zero.shape[-1] else _zero_info(A)
    if check_errors and bool(info.any()):
        raise LinAlgError(
            f"torch.linalg.lu_factor_ex: U[{int(info.max())},{int(info.max())}] is zero and using it on lu_solve would result in a "
            "division by zero. If you still want to perform the factorization, consider calling linalg.lu(A, pivot) or "
            "linalg.lu_factor_ex(A, pivot)"
        )
    return LU, pivots, info


# ---------------------------------------------------------------- products of Householder reflections I - tau v v^H


def _reflector(A, i):
    """v of column i: zeros, a one, and what the column holds below the diagonal."""
    from rushlight import _C

    column = A[..., i + 1 :, i]
    batch = A.shape[:-2]
    return _C.cat([column.new_zeros(*batch, i), column.new_ones(*batch, 1), column], -1).unsqueeze(-1)


def _reflect(A, tau, other, order, conjugate):
    for i in order:
        v = _reflector(A, i)
        t = tau[..., i, None, None]
        other = other - (t.conj() if conjugate else t) * (v @ (v.adjoint() @ other))
    return other


@python("linalg_householder_product(Tensor input, Tensor tau) -> Tensor", out=True, **_NS,
        doc="The first columns of the product of the reflections I - tau v v^H that geqrf() keeps in its columns.")  # fmt: skip
def linalg_householder_product(input, tau):
    from rushlight import _C

    if input.dim() < 2:
        raise RuntimeError("torch.linalg.householder_product: input must have at least 2 dimensions.")
    m, n = input.shape[-2:]
    if m < n:
        raise RuntimeError("torch.linalg.householder_product: input.shape[-2] must be greater than or equal to input.shape[-1]")
    k = tau.shape[-1]
    if n < k:
        raise RuntimeError("torch.linalg.householder_product: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if tau.dim() != input.dim() - 1:
        raise RuntimeError("torch.linalg.householder_product: Expected tau to have one dimension less than input, but got "
                           f"tau.ndim equal to {tau.dim()} and input.ndim is equal to {input.dim()}")  # fmt: skip
    start = _C.eye(m, n, dtype=input.dtype).expand(*input.shape[:-2], m, n)
    if k == 0:
        return input.clone().copy_(start)  # a gradient of 0, not none
    return _reflect(input, tau, start, range(k - 1, -1, -1), False).contiguous()


composite("orgqr(Tensor input, Tensor input2) -> Tensor", "linalg_householder_product(input, input2)", out=True, doc="linalg.householder_product().")


@python("ormqr(Tensor input, Tensor input2, Tensor input3, bool left=True, bool transpose=False) -> Tensor", out=True,
        doc="The orthogonal matrix of geqrf()'s (input, input2), conjugated and transposed or not, times input3 (or, not left, from its right).")  # fmt: skip
def ormqr(input, input2, input3, left, transpose):
    if input.dim() < 2:
        raise RuntimeError("torch.ormqr: input must have at least 2 dimensions.")
    if input3.dim() < 2:
        raise RuntimeError("torch.ormqr: other must have at least 2 dimensions.")
    k, rows = input2.shape[-1], input3.shape[-2 if left else -1]
    if input.shape[-2] != rows:
        raise RuntimeError(f"torch.ormqr: other.shape[{-2 if left else -1}] must be equal to input.shape[-2]")
    if k > input.shape[-1]:
        raise RuntimeError("torch.ormqr: tau.shape[-1] must be less than or equal to input.shape[-1]")
    if not left:  # C Q = (Q^H C^H)^H
        return ormqr(input, input2, input3.adjoint(), True, not transpose).adjoint().contiguous()
    return _reflect(input, input2, input3, range(k) if transpose else range(k - 1, -1, -1), transpose)


@python("geqrf(Tensor input) -> (Tensor a, Tensor tau)", out=True,
        doc="LAPACK's QR: R in the upper triangle and below it, with tau, the reflections whose product is Q.")  # fmt: skip
def geqrf(input):
    import numpy

    from rushlight._ops.linalg import _matrix, _tensor

    a, tau = numpy.linalg.qr(_matrix("torch.geqrf", input, square=False, letter="input"), mode="raw")
    return _tensor(a.swapaxes(-1, -2), input.dtype), _tensor(tau, input.dtype)


# ---------------------------------------------------------------- tensors as matrices


@python("linalg_tensorinv(Tensor A, int ind=2) -> Tensor", out=True, **_NS,
        doc="The inverse of A as a map from its last dimensions to its first `ind`: tensordot(result, A, ind) is the identity.")  # fmt: skip
def linalg_tensorinv(A, ind):
    from rushlight import _C

    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    rows, columns = A.shape[:ind], A.shape[ind:]
    if rows.numel() != columns.numel():
        raise RuntimeError(f"Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
                           f"{columns.numel()} != {rows.numel()}")  # fmt: skip
    return _C.linalg_inv(A.reshape(rows.numel(), -1)).reshape(*columns, *rows)


@python("linalg_tensorsolve(Tensor A, Tensor B, int[]? dims=None) -> Tensor", out=True, **_NS,
        doc="X with tensordot(A, X, X.ndim) = B; `dims` are moved to the end of A first.")  # fmt: skip
def linalg_tensorsolve(A, B, dims):
    from rushlight import _C

    if dims is not None:
        A = A.movedim(dims, [A.dim() - len(dims) + i for i in range(len(dims))])
    shape = A.shape[B.dim() :]
    if shape.numel() != B.numel():
        raise RuntimeError("Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got "
                           f"{shape.numel()} != {B.numel()}")  # fmt: skip
    return _C.linalg_solve(A.reshape(B.numel(), -1), B.flatten()).reshape(shape)


composite("vdot(Tensor input, Tensor other) -> Tensor", "dot(conj(input), other)", out=True, doc="The inner product: the first vector conjugated.")


@python("lu(Tensor A, bool pivot=True, bool get_infos=False) -> object", out=True,
        doc="linalg.lu_factor_ex(): LU, pivots and, asked for, infos.")  # fmt: skip
def lu(A, pivot, get_infos):
    from rushlight import _C

    result = _C.linalg_lu_factor_ex(A, pivot=pivot, check_errors=not get_infos)
    return result if get_infos else tuple(result)[:2]
