"""Parametrizations ready for use: orthogonal matrices, spectral and weight normalisation."""

from __future__ import annotations

from ... import _C
from ..._functions import finfo
from ...autograd.grad_mode import no_grad
from ..modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..modules.module import Module
from .parametrize import register_parametrization
from .weight_norm import _norm_except

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..._C import Tensor

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def _parameter(module: Module, name: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, _C.Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


def _orthogonal_factor(a: Tensor) -> Tensor:
    """Q of a = QR with the diagonal of R positive, which makes Q unique."""
    reflectors, tau = _C.geqrf(a)
    q = _C.linalg_householder_product(reflectors, tau)
    return q * reflectors.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


def _is_orthogonal(q: Tensor) -> bool:
    n, k = q.shape[-2:]
    return _C.allclose(q.mH @ q, _C.eye(k, dtype=q.dtype), atol=10.0 * n * finfo(q.dtype).eps)


class _Orthogonal(Module):
    """A matrix with orthonormal columns (rows, if it is wide), by one of three maps from free matrices."""

    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Tensor) -> Tensor:
        wide = x.size(-2) < x.size(-1)
        if wide:
            x = x.mT
        n, k = x.shape[-2:]
        if self.orthogonal_map == "householder":
            below = x.tril(-1)
            tau = 2.0 / (1.0 + (below * below).sum(-2))
            # The diagonal holds signs, which are no parameters: integers carry no gradient.
            q = _C.linalg_householder_product(below, tau) * x.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
        else:
            x = x.tril()
            if n != k:
                x = _C.cat([x, x.new_zeros(n, n - k).expand(*x.shape[:-2], -1, -1)], -1)
            skew = x - x.mH
            if self.orthogonal_map == "matrix_exp":
                q = _C.linalg_matrix_exp(skew)
            else:
                one = _C.eye(n, dtype=skew.dtype)
                q = _C.linalg_solve(one - 0.5 * skew, one + 0.5 * skew)
            if n != k:
                q = q[..., :k]
        if hasattr(self, "base"):
            q = self.base @ q
        return q.mT if wide else q

    def right_inverse(self, q: Tensor) -> Tensor:
        if q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {q.shape}."
            )
        given = q
        wide = q.size(-2) < q.size(-1)
        if wide:
            q = q.mT
        n, k = q.shape[-2:]
        with no_grad():
            if not hasattr(self, "base"):
                if self.orthogonal_map != "householder":
                    raise NotImplementedError(
                        "It is not possible to assign to the matrix exponential or the Cayley parametrizations "
                        "when use_trivialization=False."
                    )
                reflectors, tau = _C.geqrf(q)
                signs = reflectors.diagonal(dim1=-2, dim2=-1)
                signs.sign_()
                # LAPACK writes a reflector that changes nothing as tau = 0; ours with tau = 2 flips a sign.
                signs[tau == 0.0] *= -1
                return reflectors.mT if wide else reflectors
            if n != k:
                # The base is square: random columns, made orthogonal, complete it.
                q = _orthogonal_factor(_C.cat([q, q.new_empty(*q.shape[:-2], n, n - k).normal_()], -1))
            else:
                q = q.clone() if _is_orthogonal(q) else _orthogonal_factor(q)
            self.base = q
            # All three maps send -1 on the diagonal, 0 elsewhere, to the identity, and base to itself.
            origin = _C.zeros_like(given)
            origin.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
            return origin


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keeps a matrix, or a batch of them, orthogonal (unitary, if complex).

    The maps are "matrix_exp", "cayley" and "householder"; the first is the default for square or complex matrices,
    the last for others. Source: Lezcano-Casado, Trivializations for Gradient-Based Optimization on Manifolds (2019).
    """
    weight = _parameter(module, name)
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        square = weight.size(-2) == weight.size(-1)
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in ("matrix_exp", "cayley", "householder"):
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    function = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, function, unsafe=True)


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, g: Tensor, v: Tensor) -> Tensor:
        return v * (g / _norm_except(v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return _norm_except(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int = 0) -> Module:
    """w = g v / |v|: length (`original0`) and direction (`original1`) are learnt apart, one length a slice along `dim`.

    Source: Salimans and Kingma (2016).
    """
    _parameter(module, name)
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


class _SpectralNorm(Module):
    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        ndim = weight.ndim
        if dim >= ndim or dim < -ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got {dim})")
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim if dim >= 0 else dim + ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = self._as_matrix(weight.detach())
            height, width = matrix.shape
            u = matrix.new_empty(height).normal_(0, 1)
            v = matrix.new_empty(width).normal_(0, 1)
            self.register_buffer("_u", self._unit(u))
            self.register_buffer("_v", self._unit(v))
            # Close to the singular vectors from the start, so that evaluation without training is right.
            self._iterate(matrix, 15)

    def _as_matrix(self, weight: Tensor) -> Tensor:
        return weight.movedim(self.dim, 0).flatten(1)

    def _unit(self, vector: Tensor) -> Tensor:
        return vector / _C.linalg_vector_norm(vector).clamp_min(self.eps)

    def _iterate(self, matrix: Tensor, times: int) -> None:
        with no_grad():
            for _ in range(times):
                self._u.copy_(self._unit(_C.mv(matrix, self._v)))
                self._v.copy_(self._unit(_C.mv(matrix.mH, self._u)))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return self._unit(weight)
        matrix = self._as_matrix(weight)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        # Copies, for the graph: the next forward may move the buffers before this one's backward.
        u, v = self._u.clone(), self._v.clone()
        return weight / _C.vdot(u, _C.mv(matrix, v))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """w / sigma(w), the largest singular value estimated by power iteration (Miyato et al., 2018)."""
    weight = _parameter(module, name)
    if dim is None:
        dim = 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
