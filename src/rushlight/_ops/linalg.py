"""Linear algebra: the factorisations are NumPy's (LAPACK), the derivatives are written in operations.

Sources of the derivatives: M. Giles, Collected matrix derivative results for forward and reverse mode AD (2008);
S. Walter and L. Lehmann, Algorithmic differentiation of linear algebra functions (2010), for QR; J. Townsend,
Differentiating the singular value decomposition (2016); Golub and Pereyra (1973) for the pseudo-inverse.
"""

from rushlight._ops.define import composite, python

_NS = dict(method=False, namespaces=("linalg",))

composite("adjoint(Tensor input) -> Tensor", """
check(input.ndim != 1, "RuntimeError", "tensor.adjoint() is only supported on matrices or batches of matrices. Got 1-D tensor.")
if input.ndim == 0:
    return conj(input)
return conj(transpose(input, -2, -1))
""", doc="The conjugate transpose of matrices.")  # fmt: skip

# ---------------------------------------------------------------- to NumPy and back


def _matrix(name, x, square=True, letter="A"):
    """Checks what every factorisation asks for and returns the NumPy array."""
    from rushlight import _C

    if x.dim() < 2:
        raise RuntimeError(f"{name}: The input tensor {letter} must have at least 2 dimensions.")
    if x.dtype in (_C.float16, _C.bfloat16):
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {'Half' if x.dtype == _C.float16 else 'BFloat16'}")
    if not (x.is_floating_point() or x.is_complex()):
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {_kind(x)}")
    if square and x.shape[-1] != x.shape[-2]:
        raise RuntimeError(f"{name}: {letter} must be batches of square matrices, but they are {x.shape[-2]} by {x.shape[-1]} matrices")
    return x.detach().numpy()


def _kind(x):
    return {"torch.int64": "Long", "torch.int32": "Int", "torch.int16": "Short", "torch.int8": "Char", "torch.uint8": "Byte",
            "torch.bool": "Bool"}.get(str(x.dtype), str(x.dtype))  # fmt: skip


def _tensor(array, like=None):
    import numpy

    from rushlight import _C

    array = numpy.asarray(array, order="C")
    result = _C.from_numpy(array if array.flags.writeable else array.copy())
    return result if like is None or result.dtype == like else result.to(like)


def _batched(function, name, a, message, *args):
    """function(a, *args), where NumPy's error about one matrix of the batch becomes PyTorch's, which says which."""
    import numpy

    from rushlight.linalg import LinAlgError

    try:
        return function(a, *args)
    except numpy.linalg.LinAlgError:
        flat = a.reshape(-1, *a.shape[-2:])
        for i, matrix in enumerate(flat):
            try:
                function(matrix, *(x.reshape(-1, *x.shape[-2:])[i] if isinstance(x, numpy.ndarray) else x for x in args))
            except numpy.linalg.LinAlgError:
                where = f"(Batch element {i}): " if a.ndim > 2 else ""
                raise LinAlgError(f"{name}: {where}{message(matrix)}") from None
        raise


def _zero_pivot(what):
    def message(matrix):
        import numpy

        rank = numpy.linalg.matrix_rank(matrix)
        return f"The diagonal element {min(rank + 1, len(matrix))} is zero, {what} because the input matrix is singular."

    return message


# ---------------------------------------------------------------- inverse, determinant, solving


@python("linalg_inv(Tensor A) -> Tensor", out=True, node="LinalgInvExBackward0", **_NS,
        derivative="-matmul(adjoint(result), matmul(grad, adjoint(result)))", doc="""The inverse of square matrices; batches allowed.

       >>> import rushlight as torch
       >>> a = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
       >>> torch.allclose(torch.linalg.inv(a) @ a, torch.eye(2), atol=1e-6)
       True
       """)  # fmt: skip
def linalg_inv(A):
    import numpy

    a = _matrix("linalg.inv", A)
    return _tensor(_batched(numpy.linalg.inv, "linalg.inv", a, _zero_pivot("the inversion could not be completed")), A.dtype)


composite("inverse(Tensor input) -> Tensor", "linalg_inv(input)", out=True, doc="linalg.inv().")


@python("linalg_det(Tensor A) -> Tensor", out=True, derivative="linalg_det_backward(grad, A, result)", **_NS,
        doc="""The determinant of square matrices; batches allowed.

       >>> import rushlight as torch
       >>> a = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
       >>> torch.linalg.det(a).round()
       tensor(5.)
       """)  # fmt: skip
def linalg_det(A):
    import numpy

    return _tensor(numpy.linalg.det(_matrix("linalg.det", A)), A.dtype)


@python("linalg_det_backward(Tensor grad, Tensor A, Tensor det) -> Tensor", function=False, method=False)
def linalg_det_backward(grad, A, det):
    """grad times the matrix of cofactors, which a singular matrix has too: from A = U S V they are
    det(U V) U S' V, where s'[i] is the product of all singular values but s[i]."""
    from rushlight import _C

    if _C.is_grad_enabled() and bool((det != 0).all()):
        return (grad * det.conj())[..., None, None] * _C.linalg_inv(A).adjoint()
    U, S, Vh = _C.linalg_svd(A, full_matrices=False)
    n = S.shape[-1]
    others = _C.ones_like(S) if n < 2 else _C.where(_C.eye(n, dtype=_C.bool), 1, S.unsqueeze(-2)).prod(-1)
    return (grad * _C.linalg_det(U @ Vh).conj())[..., None, None] * ((U * others.unsqueeze(-2)) @ Vh)


@python("linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)", out=True, derivative="slogdet_backward(grad_sign, grad_logabsdet, sign, A)", **_NS,
        doc="Sign and logarithm of the absolute value of the determinant.")  # fmt: skip
def linalg_slogdet(A):
    import numpy

    sign, log = numpy.linalg.slogdet(_matrix("linalg.slogdet", A))
    return _tensor(sign, A.dtype), _tensor(log, A.real.dtype if A.is_complex() else A.dtype)


composite("slogdet_backward(Tensor grad_sign, Tensor grad_log, Tensor sign, Tensor A) -> Tensor", """
g = grad_log
if is_complex(A.dtype):
    g = complex(grad_log, -imag(conj(grad_sign) * sign))
return unsqueeze(unsqueeze(g, -1), -1) * adjoint(linalg_inv(A))
""", function=False, method=False)  # fmt: skip
composite("det(Tensor input) -> Tensor", "linalg_det(input)", doc="linalg.det().")
composite("slogdet(Tensor input) -> (Tensor sign, Tensor logabsdet)", """
s, l = linalg_slogdet(input)
return (s, l)
""", out=True, doc="linalg.slogdet().")  # fmt: skip
composite("logdet(Tensor input) -> Tensor", """
s, l = linalg_slogdet(input)
if is_complex(input.dtype):
    return log(s) + l
return masked_fill(l, s < 0, nan)
""", doc="The logarithm of the determinant; of real matrices NaN where that is negative.")  # fmt: skip


@python("_linalg_solve_matrix(Tensor A, Tensor B) -> Tensor", node="LinalgSolveExBackward0", method=False,
        derivative={"A": "-matmul(_linalg_solve_matrix(adjoint(A), grad), adjoint(result))", "B": "_linalg_solve_matrix(adjoint(A), grad)"})  # fmt: skip
def _linalg_solve_matrix(A, B):
    import numpy

    a, b = A.detach().numpy(), B.detach().numpy()
    return _tensor(_batched(numpy.linalg.solve, "torch.linalg.solve", a, _zero_pivot("the solve could not be completed"), b), B.dtype)


@python("linalg_solve(Tensor A, Tensor B, *, bool left=True) -> Tensor", out=True, **_NS,
        doc="""X with A @ X = B (left) or X @ A = B; B holds vectors or matrices.

       >>> import rushlight as torch
       >>> a = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
       >>> torch.linalg.solve(a, torch.tensor([3.0, 5.0]))
       tensor([0.8000, 1.4000])
       """)  # fmt: skip
def linalg_solve(A, B, left):
    from rushlight import _C

    _matrix("linalg.solve", A)
    if A.dtype != B.dtype:
        raise RuntimeError(f"linalg.solve: Expected A and B to have the same dtype, but found A of type {A.dtype} and B of type {B.dtype} instead")
    vector = B.dim() == 1 or (B.dim() == A.dim() - 1 and B.shape == A.shape[:-1])
    if vector and not left:
        raise RuntimeError("linalg.solve: Vector broadcasting of the left hand side is not supported for left=False. In this case "
                           "linalg.solve is equivalent to B / A.squeeze(-1)")  # fmt: skip
    b = B.unsqueeze(-1) if vector else B
    if not left:
        return linalg_solve(A.transpose(-2, -1), b.transpose(-2, -1), True).transpose(-2, -1)
    if A.shape[-1] != b.shape[-2]:
        raise RuntimeError(f"linalg.solve: Incompatible shapes of A and B for the equation AX = B ({A.shape[-2]}x{A.shape[-1]} and "
                           f"{b.shape[-2]}x{b.shape[-1]})")  # fmt: skip
    batch = _C.broadcast_shapes(A.shape[:-2], b.shape[:-2])
    x = _C._linalg_solve_matrix(A.expand(*batch, *A.shape[-2:]), b.expand(*batch, *b.shape[-2:]))
    return x.squeeze(-1) if vector else x


@python("linalg_solve_triangular(Tensor A, Tensor B, *, bool upper, bool left=True, bool unitriangular=False) -> Tensor", out=True, **_NS,
        doc="linalg.solve() for triangular A, of which only that triangle is read.")  # fmt: skip
def linalg_solve_triangular(A, B, upper, left, unitriangular):
    from rushlight import _C

    a = A.triu() if upper else A.tril()
    if unitriangular:
        a = a - _C.diag_embed(a.diagonal(0, -2, -1)) + _C.eye(a.shape[-1], dtype=a.dtype)
    return linalg_solve(a, B, left)


composite("triangular_solve(Tensor b, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False) "
          "-> (Tensor solution, Tensor cloned_coefficient)", """
if transpose:
    return (linalg_solve_triangular(mT_of(A), b, upper=not upper, unitriangular=unitriangular), clone(A))
return (linalg_solve_triangular(A, b, upper=upper, unitriangular=unitriangular), clone(A))
""", out=True, doc="linalg.solve_triangular() under its old name.")  # fmt: skip
composite("mT_of(Tensor input) -> Tensor", "transpose(input, -2, -1)", function=False, method=False)


@python("linalg_lstsq(Tensor A, Tensor B, float? rcond=None, *, str? driver=None) -> (Tensor solution, Tensor residuals, Tensor rank, "
        "Tensor singular_values)", out=True, **_NS, doc="""X of least ||A @ X - B||, and of least norm among those.

       >>> import rushlight as torch
       >>> x = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
       >>> torch.linalg.lstsq(x, torch.tensor([[1.0], [3.0], [5.0]])).solution.round()
       tensor([[1.],
               [2.]])
       """)  # fmt: skip
def linalg_lstsq(A, B, rcond, driver):
    import numpy

    from rushlight import _C

    a = _matrix("linalg.lstsq", A, square=False)
    vector = B.dim() == A.dim() - 1
    b = B.unsqueeze(-1) if vector else B
    m, n = A.shape[-2:]
    solution = _C.linalg_pinv(A, rtol=rcond) @ b
    if not (A.requires_grad or B.requires_grad) and A.dim() == 2:
        solution = _tensor(numpy.linalg.lstsq(a, b.numpy(), rcond=rcond)[0], B.dtype)
    rank = _C.linalg_matrix_rank(A.detach(), rtol=rcond)
    residuals = (solution.real if A.is_complex() else solution).flatten()[:0].clone()
    if m > n and driver not in (None, "gelsy") and bool((rank == n).all()):
        residuals = ((A @ solution - b).abs() ** 2).sum(-2)
    empty = driver in (None, "gels", "gelsy")
    values = _C.empty([0], dtype=A.real.dtype if A.is_complex() else A.dtype) if empty else _C.linalg_svdvals(A.detach())
    rank = _C.empty([0], dtype=_C.int64) if driver == "gels" else rank
    return (solution.squeeze(-1) if vector else solution), residuals, rank, values


# ---------------------------------------------------------------- Cholesky


@python("linalg_cholesky(Tensor input, *, bool upper=False) -> Tensor", out=True, node="LinalgCholeskyExBackward0", **_NS,
        derivative="cholesky_backward(grad, result, upper)", doc="""L with L @ L^H = input, for positive definite matrices.

       >>> import rushlight as torch
       >>> torch.linalg.cholesky(torch.tensor([[4.0, 2.0], [2.0, 2.0]]))
       tensor([[2., 0.],
               [1., 1.]])
       """)  # fmt: skip
def linalg_cholesky(input, upper):
    import numpy

    def message(matrix):
        minor = next(k for k in range(1, len(matrix) + 1) if numpy.linalg.eigvalsh(matrix[:k, :k])[0] <= 0)
        return ("The factorization could not be completed because the input is not positive-definite (the leading minor of order "
                f"{minor} is not positive-definite).")  # fmt: skip

    a = _matrix("linalg.cholesky", input)
    factor = _batched(numpy.linalg.cholesky, "linalg.cholesky", numpy.triu(a).conj().swapaxes(-1, -2) if upper else a, message)
    return _tensor(factor.conj().swapaxes(-1, -2) if upper else factor, input.dtype)


@python("cholesky_backward(Tensor grad, Tensor factor, bool upper) -> Tensor", function=False, method=False)
def cholesky_backward(grad, factor, upper):
    from rushlight import _C

    L, g = (factor.adjoint(), grad.adjoint()) if upper else (factor, grad)
    phi = (L.adjoint() @ g).tril()
    inverse = _C.linalg_inv(L)
    return inverse.adjoint() @ ((phi + phi.tril(-1).adjoint()) / 2) @ inverse


def _diagonal_matrix(x):
    return x.diagonal(0, -2, -1).diag_embed()


composite("cholesky(Tensor input, bool upper=False) -> Tensor", "linalg_cholesky(input, upper=upper)", out=True, doc="linalg.cholesky().")


def _factor(L, upper):
    """The lower factor, of which only the triangle that is named counts."""
    return L.triu().adjoint() if upper else L.tril()


@python("cholesky_inverse(Tensor L, bool upper=False) -> Tensor", out=True, derivative="cholesky_inverse_backward(grad, L, upper, result)",
        doc="The inverse of the matrix whose Cholesky factor is given.")  # fmt: skip
def cholesky_inverse(L, upper):
    factor = _factor(L, upper)
    return linalg_inv(factor @ factor.adjoint())


composite("cholesky_inverse_backward(Tensor grad, Tensor L, bool upper, Tensor inverse) -> Tensor", """
both = matmul(matmul(inverse, grad + adjoint(grad)), inverse)
if upper:
    return -matmul(L, both)
return -matmul(both, L)
""", function=False, method=False)  # fmt: skip


@python("cholesky_solve(Tensor B, Tensor L, bool upper=False) -> Tensor", out=True,
        derivative={"B": "cholesky_solve(grad, L, upper)", "L": "cholesky_solve_backward(grad, L, upper, result)"},
        doc="X with A @ X = B, for A whose Cholesky factor is given.")  # fmt: skip
def cholesky_solve(B, L, upper):
    factor = _factor(L, upper)
    return linalg_solve(factor @ factor.adjoint(), B, True)


composite("cholesky_solve_backward(Tensor grad, Tensor L, bool upper, Tensor X) -> Tensor", """
half = matmul(cholesky_solve(grad, L, upper), adjoint(X))
both = half + adjoint(half)
if upper:
    return -matmul(L, both)
return -matmul(both, L)
""", function=False, method=False)  # fmt: skip

# ---------------------------------------------------------------- QR


@python("linalg_qr(Tensor A, str mode='reduced') -> (Tensor Q, Tensor R)", out=True, derivative="qr_backward(grad_Q, grad_R, Q, R, mode)", **_NS,
        doc="""Q with orthonormal columns and upper triangular R with Q @ R = A; mode: reduced, complete or r.

       >>> import rushlight as torch
       >>> q, r = torch.linalg.qr(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
       >>> torch.allclose(q @ r, torch.tensor([[1.0, 2.0], [3.0, 4.0]]), atol=1e-6)
       True
       """)  # fmt: skip
def linalg_qr(A, mode):
    import numpy

    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'")
    a = _matrix("linalg.qr", A, square=False)
    if mode == "r":
        return A.new_empty([0]), _tensor(numpy.linalg.qr(a, "r"), A.dtype)
    q, r = numpy.linalg.qr(a, mode)
    return _tensor(q, A.dtype), _tensor(r, A.dtype)


@python("qr_backward(Tensor gQ, Tensor gR, Tensor Q, Tensor R, str mode) -> Tensor", function=False, method=False)
def qr_backward(gQ, gR, Q, R, mode):
    m, n = Q.shape[-2], R.shape[-1]
    if mode == "r":
        raise RuntimeError("The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use "
                           "linalg.qr(A, mode='reduced') if you are going to require gradients through linalg.qr.")  # fmt: skip
    if mode == "complete" and m > n:
        raise RuntimeError("The QR decomposition is not differentiable when mode='complete' and nrows > ncols.")
    if m >= n:
        return _qr_backward_tall(gQ, gR, Q, R)
    from rushlight import _C

    # A = Q [R1 R2]: the square part has Q and R1 for itself, and R2 = Q^H A2
    right = Q @ R[..., m:]
    gR2 = gR[..., m:]
    left = _qr_backward_tall(gQ + right @ gR2.adjoint(), gR[..., :m], Q, R[..., :m])
    return _C.cat([left, Q @ gR2], -1)


def _qr_backward_tall(gQ, gR, Q, R):
    M = R @ gR.adjoint() - gQ.adjoint() @ Q
    low = M.tril(-1)
    symmetric = low + low.adjoint() + _diagonal_matrix(M.real if not M.is_complex() else M.real.to(M.dtype))
    return linalg_solve(R.adjoint(), gQ + Q @ symmetric, False)


composite("qr(Tensor input, bool some=True) -> (Tensor Q, Tensor R)", """
if some:
    q, r = linalg_qr(input, "reduced")
    return (q, r)
q2, r2 = linalg_qr(input, "complete")
return (q2, r2)
""", out=True, doc="linalg.qr() under its old name.")  # fmt: skip

# ---------------------------------------------------------------- singular values


@python("linalg_svd(Tensor A, bool full_matrices=True, *, str? driver=None) -> (Tensor U, Tensor S, Tensor Vh)", out=True, **_NS,
        node="LinalgSvdBackward0", derivative="svd_backward(grad_U, grad_S, grad_Vh, U, S, Vh)",
        doc="""Singular values S, largest first, with A = U @ diag(S) @ Vh.

       >>> import rushlight as torch
       >>> u, s, vh = torch.linalg.svd(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
       >>> s.round()
       tensor([4., 3.])
       """)  # fmt: skip
def linalg_svd(A, full_matrices, driver):
    import numpy

    a = _matrix("linalg.svd", A, square=False)
    if not numpy.isfinite(a).all():
        from rushlight.linalg import LinAlgError

        raise LinAlgError("linalg.svd: The algorithm failed to converge because the input matrix contained non-finite values.")
    u, s, vh = numpy.linalg.svd(a, full_matrices)
    return _tensor(u, A.dtype), _tensor(s), _tensor(vh, A.dtype)


def _ratio(x, y):
    """x / y, and 0 for 0 / 0: where singular values coincide or vanish their vectors are not determined, which matters
    only to a gradient of the vectors."""
    from rushlight import _C

    return _C.where((x == 0) & (y == 0), 0, x / y)


@python("svd_backward(Tensor gU, Tensor gS, Tensor gVh, Tensor U, Tensor S, Tensor Vh) -> Tensor", function=False, method=False)
def svd_backward(gU, gS, gVh, U, S, Vh):
    from rushlight import _C

    k = S.shape[-1]
    U, gU, Vh, gVh = U[..., :k], gU[..., :k], Vh[..., :k, :], gVh[..., :k, :]
    V, gV = Vh.adjoint(), gVh.adjoint()
    eye = _C.eye(k, dtype=S.dtype)
    squares = S * S
    gaps = squares.unsqueeze(-2) - squares.unsqueeze(-1) + eye
    skew_u = U.adjoint() @ gU
    skew_v = V.adjoint() @ gV
    skew_u, skew_v = _ratio(skew_u - skew_u.adjoint(), gaps), _ratio(skew_v - skew_v.adjoint(), gaps)
    middle = skew_u * S.unsqueeze(-2) + S.unsqueeze(-1) * skew_v + gS.diag_embed()
    if U.is_complex():  # what turning the phases of both vectors the same way leaves of the diagonal
        middle = middle + _ratio(skew_u.diagonal(0, -2, -1), 2 * S).diag_embed()
        middle = middle - (skew_u.diagonal(0, -2, -1) * S).diag_embed()
        middle = middle - (skew_v.diagonal(0, -2, -1) * S).diag_embed()
    result = U @ middle @ Vh
    if U.shape[-2] > k:
        outside = _ratio(gU, S.unsqueeze(-2))
        result = result + (outside - U @ (U.adjoint() @ outside)) @ Vh
    if V.shape[-2] > k:
        outside = _ratio(gVh, S.unsqueeze(-1))
        result = result + U @ (outside - (outside @ V) @ Vh)
    return result


composite("linalg_svdvals(Tensor A, *, str? driver=None) -> Tensor", """
u, s, vh = linalg_svd(A, False)
return s
""", out=True, **_NS, doc="""The singular values, largest first.

       >>> import rushlight as torch
       >>> torch.linalg.svdvals(torch.tensor([[3.0, 0.0], [0.0, 4.0]])).round()
       tensor([4., 3.])
       """)  # fmt: skip
composite("svd(Tensor input, bool some=True, bool compute_uv=True) -> (Tensor U, Tensor S, Tensor V)", """
u, s, vh = linalg_svd(input, not some)
return (u, s, adjoint(vh))
""", out=True, doc="linalg.svd() under its old name, which gives V instead of V^H.")  # fmt: skip


def _cutoff(S, shape, atol, rtol):
    """Which singular values count as zero is PyTorch's rule: below max(atol, rtol * the largest)."""
    from rushlight import _C, finfo

    if rtol is None:
        usual = max(shape[-2:]) * finfo(S.dtype).eps
        if isinstance(atol, _C.Tensor):
            rtol = _C.where(atol > 0, 0.0, usual)
        else:
            rtol = 0.0 if atol is not None and atol > 0 else usual
    top = S[..., :1] if S.shape[-1] else S
    bound = top * (rtol.unsqueeze(-1) if isinstance(rtol, _C.Tensor) else rtol)
    if atol is not None:
        bound = _C.maximum(bound, atol.unsqueeze(-1)) if isinstance(atol, _C.Tensor) else bound.clamp(min=float(atol))
    return bound


@python("linalg_matrix_rank(Tensor A, object? tol=None, bool hermitian=False, *, object? atol=None, object? rtol=None) -> Tensor", out=True, **_NS,
        doc="""How many singular values are above max(atol, rtol * the largest).

       >>> import rushlight as torch
       >>> torch.linalg.matrix_rank(torch.tensor([[1.0, 2.0], [2.0, 4.0]]))
       tensor(1)
       """)  # fmt: skip
def linalg_matrix_rank(A, tol, hermitian, atol, rtol):
    from rushlight import _C

    _matrix("linalg.matrix_rank", A, square=hermitian)
    S = _C.linalg_eigvalsh(A.detach()).abs() if hermitian else _C.linalg_svdvals(A.detach())
    if hermitian:
        S = S.sort(-1, True)[0]
    if tol is not None:
        return (S > tol).sum(-1)
    return (S > _cutoff(S, A.shape, atol, rtol)).sum(-1)


@python("linalg_pinv_of(Tensor A, object? rtol, object? atol, bool hermitian) -> Tensor", function=False, method=False, node="LinalgPinvBackward0",
        derivative="pinv_backward(grad, result, A)")  # fmt: skip
def linalg_pinv_of(A, rtol, atol, hermitian):
    from rushlight import _C

    _matrix("linalg.pinv", A, square=hermitian)
    x = A.detach()
    if hermitian:
        S, Q = _C.linalg_eigh(x)
        inverse = _C.where(S.abs() > _cutoff(S.abs().sort(-1, True)[0], A.shape, atol, rtol), 1 / S, _C.zeros_like(S))
        return (Q * inverse.unsqueeze(-2)) @ Q.adjoint()
    U, S, Vh = _C.linalg_svd(x, full_matrices=False)
    keep = S > _cutoff(S, A.shape, atol, rtol)
    inverse = _C.where(keep, 1 / S, _C.zeros_like(S))
    return (Vh.adjoint() * inverse.unsqueeze(-2)) @ U.adjoint()


composite("pinv_backward(Tensor grad, Tensor P, Tensor A) -> Tensor", """
gh = adjoint(grad)
ph = adjoint(P)
if A.shape[-2] <= A.shape[-1]:
    k = matmul(gh, P)
    kph = matmul(k, ph)
    return matmul(matmul(ph, P), gh - matmul(k, A)) + kph - matmul(matmul(A, P), kph) - adjoint(matmul(P, k))
k2 = matmul(P, gh)
phk = matmul(ph, k2)
return matmul(matmul(gh - matmul(A, k2), P), ph) + phk - matmul(matmul(phk, P), A) - adjoint(matmul(k2, P))
""", function=False, method=False)  # fmt: skip
composite("linalg_pinv(Tensor input, object? rcond=None, bool hermitian=False, *, object? atol=None, object? rtol=None) -> Tensor", """
if rcond is None:
    return linalg_pinv_of(input, rtol, atol, hermitian)
return linalg_pinv_of(input, rcond, atol, hermitian)
""", out=True, **_NS, doc="""The pseudo-inverse (Moore-Penrose) of matrices.

       >>> import rushlight as torch
       >>> torch.linalg.pinv(torch.tensor([[1.0], [1.0]]))
       tensor([[0.5000, 0.5000]])
       """)  # fmt: skip


@python("pinverse(Tensor input, float rcond=1e-15) -> Tensor", doc="linalg.pinv() with a fixed cutoff.")
def pinverse(input, rcond):
    from rushlight import _C

    return _C.linalg_pinv(input, rtol=rcond)


# ---------------------------------------------------------------- eigenvalues


@python("linalg_eigh(Tensor A, str UPLO='L') -> (Tensor eigenvalues, Tensor eigenvectors)", out=True, node="LinalgEighBackward0", **_NS,
        derivative="eigh_backward(grad_eigenvalues, grad_eigenvectors, eigenvalues, eigenvectors)",
        doc="""Eigenvalues, in ascending order, and eigenvectors of Hermitian matrices, of which one triangle is read.

       >>> import rushlight as torch
       >>> values, vectors = torch.linalg.eigh(torch.tensor([[2.0, 1.0], [1.0, 2.0]]))
       >>> values.round()
       tensor([1., 3.])
       """)  # fmt: skip
def linalg_eigh(A, UPLO):
    import numpy

    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    values, vectors = numpy.linalg.eigh(_matrix("linalg.eigh", A), UPLO.upper())
    return _tensor(values), _tensor(vectors, A.dtype)


@python("eigh_backward(Tensor gL, Tensor gV, Tensor L, Tensor V) -> Tensor", function=False, method=False)
def eigh_backward(gL, gV, L, V):
    from rushlight import _C

    gaps = L.unsqueeze(-2) - L.unsqueeze(-1)
    same = _C.eye(L.shape[-1], dtype=_C.bool)
    turn = V.adjoint() @ gV
    middle = ((turn - turn.adjoint()) / (2 * gaps.masked_fill(same, 1.0))).masked_fill(same, 0.0)  # keeps the gradient Hermitian
    return V @ (middle + gL.diag_embed()) @ V.adjoint()


composite("linalg_eigvalsh(Tensor A, str UPLO='L') -> Tensor", """
l, v = linalg_eigh(A, UPLO)
return l
""", out=True, **_NS, doc="""The eigenvalues of Hermitian matrices, in ascending order.

       >>> import rushlight as torch
       >>> torch.linalg.eigvalsh(torch.tensor([[2.0, 1.0], [1.0, 2.0]])).round()
       tensor([1., 3.])
       """)  # fmt: skip


@python("linalg_eig(Tensor A) -> (Tensor eigenvalues, Tensor eigenvectors)", out=True, node="LinalgEigBackward0", **_NS,
        derivative="eig_backward(grad_eigenvalues, grad_eigenvectors, eigenvalues, eigenvectors, A.dtype)",
        doc="Eigenvalues and eigenvectors of square matrices: always complex, in no order.")  # fmt: skip
def linalg_eig(A):
    import numpy

    from rushlight import _C

    values, vectors = numpy.linalg.eig(_matrix("linalg.eig", A))
    wide = A.dtype if A.is_complex() else _C.complex64 if A.dtype == _C.float32 else _C.complex128
    return _tensor(values).to(wide), _tensor(vectors).to(wide)


@python("eig_backward(Tensor gL, Tensor gV, Tensor L, Tensor V, dtype dtype) -> Tensor", function=False, method=False)
def eig_backward(gL, gV, L, V, dtype):
    from rushlight import _C

    gaps = (L.unsqueeze(-2) - L.unsqueeze(-1)).conj()
    same = _C.eye(L.shape[-1], dtype=_C.bool)
    VhgV = V.adjoint() @ gV
    middle = VhgV - V.adjoint() @ (V * VhgV.diagonal(0, -2, -1).real.unsqueeze(-2))
    middle = (middle / gaps.masked_fill(same, 1.0)).masked_fill(same, 0.0) + gL.diag_embed()
    result = _C.linalg_solve(V.adjoint(), middle @ V.adjoint())
    return result if dtype.is_complex else result.real


composite("linalg_eigvals(Tensor A) -> Tensor", """
l, v = linalg_eig(A)
return l
""", out=True, **_NS, doc="The eigenvalues of square matrices: always complex, in no order.")  # fmt: skip

# ---------------------------------------------------------------- powers and exponentials


@python("matrix_power(Tensor input, int n) -> Tensor", out=True, doc="The product of |n| times a square matrix, or its inverse when n < 0.")
def matrix_power(input, n):
    from rushlight import _C

    if input.dim() < 2:
        raise RuntimeError("linalg.matrix_power: The input tensor A must have at least 2 dimensions.")
    if input.shape[-1] != input.shape[-2]:
        raise RuntimeError(f"linalg.matrix_power: A must be batches of square matrices, but they are {input.shape[-2]} by {input.shape[-1]} matrices")
    if n == 0:
        return input.clone().copy_(_C.eye(input.shape[-1], dtype=input.dtype))  # a gradient of 0, not none
    base = _C.linalg_inv(input) if n < 0 else input
    n, result = abs(n), None
    while True:  # squares, and the product of those whose bit is set
        if n & 1:
            result = base if result is None else result @ base
        n >>= 1
        if n == 0:
            return result
        base = base @ base


composite("linalg_matrix_power(Tensor A, int n) -> Tensor", "matrix_power(A, n)", out=True, **_NS, doc="""matrix_power().

       >>> import rushlight as torch
       >>> torch.linalg.matrix_power(torch.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
       tensor([[1., 5.],
               [0., 1.]])
       """)


@python("linalg_matrix_exp(Tensor A) -> Tensor", derivative="matrix_exp_backward(grad, A)", **_NS,
        doc="The sum of A**k / k!, by scaling and squaring of a Pade approximant (Higham, 2005).")  # fmt: skip
def linalg_matrix_exp(A):
    import numpy

    a = _matrix("linalg.matrix_exp", A)
    if a.size == 0:
        return _tensor(a.copy())
    a = a.astype(numpy.complex128 if A.is_complex() else numpy.float64)
    norm = float(abs(a).sum(-2).max())
    squarings = max(0, int(numpy.ceil(numpy.log2(norm / 5.4)))) if norm > 5.4 else 0
    a = a / 2.0**squarings
    c = [64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0, 10559470521600.0,
         670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0]  # fmt: skip
    one = numpy.eye(a.shape[-1])
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a2 @ a4
    odd = a @ (a6 @ (c[13] * a6 + c[11] * a4 + c[9] * a2) + c[7] * a6 + c[5] * a4 + c[3] * a2 + c[1] * one)
    even = a6 @ (c[12] * a6 + c[10] * a4 + c[8] * a2) + c[6] * a6 + c[4] * a4 + c[2] * a2 + c[0] * one
    result = numpy.linalg.solve(even - odd, even + odd)
    for _ in range(squarings):
        result = result @ result
    return _tensor(result, A.dtype)


@python("matrix_exp_backward(Tensor grad, Tensor A) -> Tensor", function=False, method=False)
def matrix_exp_backward(grad, A):
    """The upper right block of exp([[A^H, grad], [0, A^H]])."""
    from rushlight import _C

    ah, n = A.adjoint(), A.shape[-1]
    top, bottom = _C.cat([ah, grad], -1), _C.cat([_C.zeros_like(ah), ah], -1)
    return _C.linalg_matrix_exp(_C.cat([top, bottom], -2))[..., :n, n:]


composite("matrix_exp(Tensor input) -> Tensor", "linalg_matrix_exp(input)", doc="linalg.matrix_exp().")

# ---------------------------------------------------------------- LU


@python("linalg_lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots)", out=True, **_NS,
        derivative="lu_factor_backward(grad_LU, LU, pivots)",
        doc="L (below the diagonal, which is 1) and U in one matrix, and the row (from 1) each row was exchanged with.")  # fmt: skip
def linalg_lu_factor(A, pivot):
    import numpy

    a = numpy.array(_matrix("torch.linalg.lu_factor", A, square=False), order="C")
    k = min(a.shape[-2:])
    flat = a.reshape(A.shape[:-2].numel(), *a.shape[-2:])
    pivots = numpy.tile(numpy.arange(1, k + 1, dtype=numpy.int32), (len(flat), 1))
    for b, x in enumerate(flat):
        for i in range(k):
            column = x[i:, i]
            p = i + int((abs(column.real) + abs(column.imag)).argmax()) if pivot else i  # LAPACK's measure of complex numbers
            pivots[b, i] = p + 1
            if p != i:
                x[[i, p]] = x[[p, i]]
            if x[i, i] != 0:
                x[i + 1 :, i] /= x[i, i]
                x[i + 1 :, i + 1 :] -= numpy.outer(x[i + 1 :, i], x[i, i + 1 :])
    return _tensor(a), _tensor(pivots.reshape(*a.shape[:-2], k))


def _permutation(pivots, m):
    """The order that the exchanges of rows lead to, one a batch entry."""
    import numpy

    k, batch = pivots.shape[-1], pivots.shape[:-1].numel()
    flat = pivots.numpy().reshape(batch, k)
    order = numpy.tile(numpy.arange(m), (batch, 1))
    for row, exchanges in zip(order, flat, strict=True):
        for i, p in enumerate(exchanges):
            row[[i, p - 1]] = row[[p - 1, i]]
    return _tensor(order.reshape(*pivots.shape[:-1], m))


@python("lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True) -> (Tensor P, Tensor L, Tensor U)", out=True,
        method=False, doc="P, L and U from what linalg.lu_factor() returns.")  # fmt: skip
def lu_unpack(LU_data, LU_pivots, unpack_data, unpack_pivots):
    from rushlight import _C

    m, n = LU_data.shape[-2:]
    k = min(m, n)
    empty = LU_data.new_empty([0])
    P = L = U = empty
    if unpack_data:
        L = LU_data[..., :k].tril(-1) + _C.eye(m, k, dtype=LU_data.dtype)
        U = LU_data[..., :k, :].triu()
    if unpack_pivots:
        P = _C.eye(m, dtype=LU_data.dtype)[_permutation(LU_pivots, m)].transpose(-2, -1)
    return P, L, U


@python("lu_factor_backward(Tensor grad, Tensor LU, Tensor pivots) -> Tensor", function=False, method=False)
def lu_factor_backward(grad, LU, pivots):
    """Of the square part A1 = L U it is L^-H (tril(L^H gL) + triu(gU U^H)) U^-H, the diagonal counted once; what lies
    right of it is L U2 and what lies below L2 U, whose parts in gL and gU are taken off first."""
    from rushlight import _C

    m, n = LU.shape[-2:]
    k = min(m, n)
    P, L, U = lu_unpack(LU, pivots, True, True)
    gL, gU = grad[..., :k].tril(-1), grad[..., :k, :].triu()
    Lh, Uh = L[..., :k, :].adjoint(), U[..., :k].adjoint()
    low, high = Lh @ gL[..., :k, :], gU[..., :k] @ Uh
    if n > m:
        low = low - gU[..., k:] @ U[..., k:].adjoint()
    if m > n:
        high = high - L[..., k:, :].adjoint() @ gL[..., k:, :]
    result = linalg_solve(Uh, linalg_solve(Lh, low.tril(-1) + high.triu(), True), False)
    if n > m:
        result = _C.cat([result, linalg_solve(Lh, gU[..., k:], True)], -1)
    if m > n:
        result = _C.cat([result, linalg_solve(Uh, gL[..., k:, :], False)], -2)
    return P @ result


@python("linalg_lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U)", out=True, **_NS, doc="A = P @ L @ U with a permutation P.")
def linalg_lu(A, pivot):
    from rushlight import _C

    return lu_unpack(*_C.linalg_lu_factor(A, pivot=pivot), True, True)


@python("linalg_lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False) -> Tensor", out=True, **_NS,
        doc="linalg.solve() for the matrix whose linalg.lu_factor() is given.")  # fmt: skip
def linalg_lu_solve(LU, pivots, B, left, adjoint):
    P, L, U = lu_unpack(LU, pivots, True, True)
    A = P @ L @ U
    return linalg_solve(A.adjoint() if adjoint else A, B, left)


composite("lu_solve(Tensor b, Tensor LU_data, Tensor LU_pivots) -> Tensor", "linalg_lu_solve(LU_data, LU_pivots, b)", out=True,
          doc="linalg.lu_solve() under its old name.")  # fmt: skip

# ---------------------------------------------------------------- norms and other measures


@python("linalg_matrix_norm(Tensor A, object? ord=None, int[2] dim=(-2, -1), bool keepdim=False, *, dtype? dtype=None) -> Tensor", out=True, **_NS,
        doc="A norm of matrices: 'fro', 'nuc', 1, -1, 2, -2, inf or -inf.")  # fmt: skip
def linalg_matrix_norm(A, ord, dim, keepdim, dtype):
    from rushlight import _C

    ord = "fro" if ord is None else ord
    if A.dim() < 2:
        raise RuntimeError("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.")
    A = A if dtype is None else A.to(dtype)
    rows, columns = dim
    if ord == "fro":
        return _C.linalg_vector_norm(A, 2, dim, keepdim)
    if ord == "nuc" or abs(ord) == 2:
        x = A.movedim(dim, (-2, -1))
        s = _C.linalg_svdvals(x)
        result = s.sum(-1) if ord == "nuc" else s.amax(-1) if ord > 0 else s.amin(-1)
    elif abs(ord) in (1, float("inf")):
        across, along = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = A.abs().sum(across, keepdim=True)
        result = (sums.amax if ord > 0 else sums.amin)([along], keepdim=True).squeeze(dim)
    else:
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if keepdim:
        low, high = sorted(d % A.dim() for d in dim)
        result = result.unsqueeze(low).unsqueeze(high)
    return result


@python("linalg_norm(Tensor A, object? ord=None, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor", out=True, **_NS,
        doc="""linalg.matrix_norm() where matrices are meant (two dims, or ord and a matrix), else linalg.vector_norm().

       >>> import rushlight as torch
       >>> torch.linalg.norm(torch.tensor([3.0, 4.0]))
       tensor(5.)
       """)  # fmt: skip
def linalg_norm(A, ord, dim, keepdim, dtype):
    from rushlight import _C

    if ord is not None:
        if dim is not None and len(dim) not in (1, 2):
            raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dim)}")
        if dim is None and A.dim() not in (1, 2):
            raise RuntimeError(f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.dim()}D.")
        if (len(dim) if dim is not None else A.dim()) == 2:
            return linalg_matrix_norm(A, ord, dim if dim is not None else (0, 1), keepdim, dtype)
    return _C.linalg_vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


@python("nuclear_norm(Tensor input, int[]? dim=None, bool keepdim=False) -> Tensor", method=False, doc="The sum of the singular values.")
def nuclear_norm(input, dim, keepdim):
    return linalg_matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim, None)


@python("linalg_cond(Tensor A, object? p=None) -> Tensor", out=True, **_NS, doc="The condition number: the norm of A times that of its inverse.")
def linalg_cond(A, p):
    from rushlight import _C

    if p is None or (not isinstance(p, str) and abs(p) == 2):
        s = _C.linalg_svdvals(A)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return linalg_matrix_norm(A, p, (-2, -1), False, None) * linalg_matrix_norm(_C.linalg_inv(A), p, (-2, -1), False, None)


composite("linalg_matmul(Tensor input, Tensor other) -> Tensor", "matmul(input, other)", out=True, **_NS, doc="matmul().")
composite("linalg_diagonal(Tensor A, *, int offset=0, int dim1=-2, int dim2=-1) -> Tensor", "diagonal(A, offset, dim1, dim2)", **_NS, doc="diagonal().")
composite("linalg_vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor", "sum_dim(conj(x) * y, [dim])", out=True, **_NS,
          doc="Inner products of vectors along dim.")  # fmt: skip
