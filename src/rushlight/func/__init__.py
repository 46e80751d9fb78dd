"""`torch.func`: functions of functions. Gradients, Jacobians, directional derivatives, and mapping over a batch.

They compose: `vmap(grad(f))` gives a gradient for each example, `jacfwd(jacrev(f))` is the Hessian.
"""

from ._derivatives import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp
from ._modules import functional_call, stack_module_state
from ._vmap import vmap

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "stack_module_state",
    "vjp",
    "vmap",
]
