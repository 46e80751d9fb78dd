"""Losses. The public functions check and choose (_core/loss.c, _core/nll.c); the nodes belong to the operations
that they call, in which `reduction` is a number: 0 none, 1 mean, 2 sum.
"""

from rushlight._ops.define import composite, native

_HIDDEN = dict(function=False, method=False)
_PUBLIC = dict(records=True, method=False, namespaces=("nn.functional",), autocast="float32")
_FLAT = "zeros_like_shape(grad, grad.shape)"

composite("loss_reduce(Tensor losses, int reduction) -> Tensor", """
if reduction == 1:
    return mean(losses)
if reduction == 2:
    return sum(losses)
return losses
""", **_HIDDEN)  # fmt: skip
composite("loss_share(Tensor grads, Tensor? weight, int reduction) -> Tensor", """
shares = grads
if reduction == 1:
    shares = grads / grads.numel
if weight is None:
    return shares
return shares * weight
""", **_HIDDEN)  # fmt: skip
composite("loss_weighted(Tensor losses, Tensor weight, int reduction) -> Tensor", """
weighted = losses * weight
if reduction == 1:
    return sum(weighted) / sum(weight)
return loss_reduce(weighted, reduction)
""", **_HIDDEN)  # fmt: skip

# ---------------------------------------------------------------- of the difference: L(x, t) = l(x - t), l even


def _of_difference(name: str, kind: str, curve: str, error: str) -> None:
    """`<name>_backward`, and `_<name>` with its derivatives; `curve` is l'' in operations, empty where it is 0."""
    native(f"{name}_backward(Tensor grad_output, Tensor input, Tensor target, int reduction, float q) -> Tensor", code=f"""
Tensor *impl_{name}_backward(Tensor *grad_output, Tensor *input, Tensor *target, int64_t reduction, double q) {{
    return rl_loss_backward({kind}, grad_output, input, target, NULL, NULL, (int)reduction, q);
}}
""", derivative={"grad_output": f"loss_reduce({name}_backward(grad, input, target, 0, q), reduction)",
                 "input": f"loss_share(grad * grad_output * {curve}, None, reduction)" if curve else _FLAT,
                 "target": f"loss_share(-(grad * grad_output * {curve}), None, reduction)" if curve else _FLAT}, **_HIDDEN)  # fmt: skip
    forms = [("", "", "reduction")]
    if name == "l1_loss":  # PyTorch composes this one and shows what it is composed of
        forms = [("_none", "AbsBackward0", "0"), ("_mean", "MeanBackward0", "1"), ("_sum", "SumBackward0", "2")]
    for suffix, node, reduction in forms:
        native(f"_{name}{suffix}(Tensor input, Tensor target, int reduction, float q) -> Tensor", node=node, code=f"""
Tensor *impl__{name}{suffix}(Tensor *input, Tensor *target, int64_t reduction, double q) {{
    return rl_loss_forward({kind}, "{error}", input, target, NULL, NULL, (int){reduction}, q);
}}
""", derivative={"input": f"{name}_backward(grad, input, target, {reduction}, q)",
                 "target": f"{name}_backward(grad, target, input, {reduction}, q)"}, **_HIDDEN)  # fmt: skip


native("mse_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str reduction='mean', "
       "Tensor? weight=None) -> Tensor", **_PUBLIC, code='#include "loss.h"', doc="""(input - target)**2.

       >>> import rushlight as torch
       >>> torch.nn.functional.mse_loss(torch.tensor([1., 2.]), torch.tensor([1., 4.]))
       tensor(2.)
       """)  # fmt: skip
native("l1_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str reduction='mean', "
       "Tensor? weight=None) -> Tensor", **_PUBLIC, doc="""|input - target|.

       >>> import rushlight as torch
       >>> torch.nn.functional.l1_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
       tensor(1.)
       """)  # fmt: skip
native("smooth_l1_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str reduction='mean', "
       "float beta=1.0) -> Tensor", **_PUBLIC,
       doc="""d**2 / (2 * beta) where d = |input - target| < beta, else d - beta / 2 (Girshick, 2015).

       >>> import rushlight as torch
       >>> torch.nn.functional.smooth_l1_loss(torch.tensor([0.5, 3.0]), torch.zeros(2), reduction="none")
       tensor([0.1250, 2.5000])
       """)  # fmt: skip
native("huber_loss(Tensor input, Tensor target, str reduction='mean', float delta=1.0, Tensor? weight=None) -> Tensor", **_PUBLIC,
       doc="d**2 / 2 where d = |input - target| <= delta, else delta * (d - delta / 2) (Huber, 1964).")  # fmt: skip
_of_difference("mse_loss", "LOSS_MSE", "2.0", "mse_cpu")
_of_difference("l1_loss", "LOSS_L1", "", "abs_cpu")
_of_difference("smooth_l1_loss", "LOSS_SMOOTH_L1", "where(abs(input - target) < q, 1.0 / q, 0.0)", "smooth_l1_cpu")
_of_difference("huber_loss", "LOSS_HUBER", "where(abs(input - target) <= q, 1.0, 0.0)", "huber_cpu")

# ---------------------------------------------------------------- binary cross entropy

native("binary_cross_entropy(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, bool? reduce=None, "
       "str reduction='mean') -> Tensor", **_PUBLIC,
       doc="""-(target * log(input) + (1 - target) * log(1 - input)), the logarithms held above -100.

       >>> import rushlight as torch
       >>> torch.nn.functional.binary_cross_entropy(torch.tensor([0.9, 0.2]), torch.tensor([1.0, 0.0]))
       tensor(0.1643)
       """)  # fmt: skip
native("_binary_cross_entropy(Tensor input, Tensor target, Tensor? weight, int reduction) -> Tensor", edges=["input", "target"], code="""
Tensor *impl__binary_cross_entropy(Tensor *input, Tensor *target, Tensor *weight, int64_t reduction) {
    return rl_loss_forward(LOSS_BCE, "binary_cross_entropy", input, target, weight, NULL, (int)reduction, 0);
}
""", derivative={"input": "binary_cross_entropy_backward(grad, input, target, weight, reduction)",
                 "target": "loss_share(grad * (clamp_min(log1p(-input), -100) - clamp_min(log(input), -100)), weight, reduction)"},
       **_HIDDEN)  # fmt: skip
native("binary_cross_entropy_backward(Tensor grad_output, Tensor input, Tensor target, Tensor? weight, int reduction) -> Tensor", code="""
Tensor *impl_binary_cross_entropy_backward(Tensor *grad_output, Tensor *input, Tensor *target, Tensor *weight, int64_t reduction) {
    return rl_loss_backward(LOSS_BCE, grad_output, input, target, weight, NULL, (int)reduction, 0);
}
""", edges=["grad_output", "input", "target"],
       derivative={"grad_output": "loss_reduce(binary_cross_entropy_backward(grad, input, target, weight, 0), reduction)",
                   "input": "loss_share(grad * grad_output * (square(input) - 2 * target * input + target) / "
                            "square(clamp_min(input * (1 - input), 1e-12)), weight, reduction)",
                   "target": "loss_share(-(grad * grad_output) / clamp_min(input * (1 - input), 1e-12), weight, reduction)"},
       **_HIDDEN)  # fmt: skip

native("binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, "
       "bool? reduce=None, str reduction='mean', Tensor? pos_weight=None) -> Tensor", **_PUBLIC,
       doc="""binary_cross_entropy of sigmoid(input), computed without overflow; pos_weight multiplies the term of target.

       >>> import rushlight as torch
       >>> torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0]))
       tensor(0.2201)
       """)  # fmt: skip
native("logits_loss(Tensor input, Tensor target, Tensor? weight, Tensor? pos_weight, int reduction) -> Tensor", edges=["input", "target"],
       node="BinaryCrossEntropyWithLogitsBackward0", code="""
Tensor *impl_logits_loss(Tensor *input, Tensor *target, Tensor *weight, Tensor *pos_weight, int64_t reduction) {
    return rl_loss_forward(pos_weight ? LOSS_LOGITS_POS : LOSS_LOGITS, "log_sigmoid_cpu", input, target, weight, pos_weight, (int)reduction, 0);
}
""", derivative={"input": "logits_loss_backward(grad, input, target, weight, pos_weight, reduction)",
                 "target": "logits_loss_target_backward(grad, input, weight, pos_weight, reduction)"}, **_HIDDEN)  # fmt: skip
native("logits_loss_backward(Tensor grad_output, Tensor input, Tensor target, Tensor? weight, Tensor? pos_weight, int reduction) -> Tensor",
       code="""
Tensor *impl_logits_loss_backward(Tensor *grad_output, Tensor *input, Tensor *target, Tensor *weight, Tensor *pos_weight, int64_t reduction) {
    return rl_loss_backward(pos_weight ? LOSS_LOGITS_POS : LOSS_LOGITS, grad_output, input, target, weight, pos_weight, (int)reduction, 0);
}
""", edges=["grad_output", "input", "target"],
       derivative={"grad_output": "loss_reduce(logits_loss_backward(grad, input, target, weight, pos_weight, 0), reduction)",
                   "input": "loss_share(grad * grad_output * logits_loss_curve(input, target, pos_weight), weight, reduction)",
                   "target": "loss_share(grad * grad_output * logits_loss_cross(input, pos_weight), weight, reduction)"}, **_HIDDEN)  # fmt: skip
composite("logits_loss_target_backward(Tensor grad, Tensor input, Tensor? weight, Tensor? pos_weight, int reduction) -> Tensor", """
if pos_weight is None:
    return loss_share(-(input * grad), weight, reduction)
return loss_share(grad * (logsigmoid(-input) - pos_weight * logsigmoid(input)), weight, reduction)
""", **_HIDDEN)  # fmt: skip
composite("logits_loss_curve(Tensor input, Tensor target, Tensor? pos_weight) -> Tensor", """
s = sigmoid(input)
if pos_weight is None:
    return s * (1 - s)
return s * (1 - s) * (target * (pos_weight - 1) + 1)
""", **_HIDDEN)  # fmt: skip
composite("logits_loss_cross(Tensor input, Tensor? pos_weight) -> Tensor", """
if pos_weight is None:
    return zeros_like_shape(input, input.shape) - 1
return sigmoid(input) * (pos_weight - 1) - pos_weight
""", **_HIDDEN)  # fmt: skip

# ---------------------------------------------------------------- classes

native("nll_loss(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, int ignore_index=-100, "
       "bool? reduce=None, str reduction='mean') -> Tensor", **_PUBLIC,
       doc="-weight[target] * input[target], input (N, C, ...) being log-probabilities and target (N, ...) classes; "
           "the mean is over the weights that count.")  # fmt: skip
native("nll_loss_classes(Tensor input, Tensor target, Tensor? weight, int reduction, int ignore_index) -> Tensor", records=True, **_HIDDEN)
for _name in ("nll_loss_1d", "nll_loss_2d"):  # by the dimensions of target
    native(f"{_name}(Tensor input, Tensor target, Tensor? weight, int reduction, int ignore_index) -> Tensor", edges=["input"],
           node="NllLossBackward0" if _name == "nll_loss_1d" else "NllLoss2DBackward0", code=f"""
Tensor *impl_{_name}(Tensor *input, Tensor *target, Tensor *weight, int64_t reduction, int64_t ignore_index) {{
    return rl_nll_forward(input, target, weight, (int)reduction, ignore_index);
}}
""", derivative={"input": f"{_name}_backward(grad, input, target, weight, reduction, ignore_index)"}, **_HIDDEN)  # fmt: skip
    native(f"{_name}_backward(Tensor grad_output, Tensor input, Tensor target, Tensor? weight, int reduction, int ignore_index) -> Tensor",
           edges=["grad_output", "input"], node="NllLossBackwardBackward0" if _name == "nll_loss_1d" else "NllLoss2DBackwardBackward0", code=f"""
Tensor *impl_{_name}_backward(Tensor *grad_output, Tensor *input, Tensor *target, Tensor *weight, int64_t reduction,
                               int64_t ignore_index) {{
    return rl_nll_backward(grad_output, input, target, weight, (int)reduction, ignore_index);
}}
""", derivative={"grad_output": f"{_name}(grad, target, weight, reduction, ignore_index)", "input": _FLAT}, **_HIDDEN)  # fmt: skip

native("cross_entropy(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, int ignore_index=-100, "
       "bool? reduce=None, str reduction='mean', float label_smoothing=0.0) -> Tensor", **_PUBLIC,
       doc="""nll_loss of log_softmax(input); target holds classes (N, ...) or probabilities (N, C, ...).

       >>> import rushlight as torch
       >>> torch.nn.functional.cross_entropy(torch.tensor([[1., 2., 3.]]), torch.tensor([2]))
       tensor(0.4076)
       """)  # fmt: skip
# The derivative of the fused form as differentiable operations, for gradients of gradients.
composite("cross_entropy_grad(Tensor grad, Tensor input, Tensor target, Tensor? weight, int reduction, int ignore_index) -> Tensor", """
dim = input.ndim - 1
picked = nll_loss_1d_backward(grad, input, target, weight, reduction, ignore_index)
return _log_softmax_backward_data(picked, log_softmax(input, dim), dim)
""", **_HIDDEN)  # fmt: skip
native("class_weights(Tensor weight, Tensor input) -> Tensor", records=True, **_HIDDEN, code="""
/* weight (C) as it multiplies input (N, C, ...) */
Tensor *rl_class_weights(Tensor *weight, Tensor *input) {
    int64_t shape[RL_MAXDIM];
    for (int i = 0; i < input->ndim; i++) shape[i] = 1;
    shape[input->ndim > 1] = weight->numel;
    return rl_reshape(weight, (Ints){shape, input->ndim});
}
""")  # fmt: skip
composite("div_number(Tensor input, float other) -> Tensor", "input / other", node="DivBackward1", derivative={"input": "grad / other"}, **_HIDDEN)
composite("cross_entropy_probabilities(Tensor input, Tensor target, Tensor? weight, int reduction, float smoothing) -> Tensor", """
dim = 0 if input.ndim == 1 else 1
classes = input.shape[dim]
losses = log_softmax(input, dim)
if smoothing > 0.0:
    losses = losses * (target * (1 - smoothing) + smoothing / classes)
else:
    losses = losses * target
if not (weight is None):
    losses = losses * class_weights(weight, input)
if reduction == 1:
    return div_number(-sum(losses), input.numel / classes)
if reduction == 2:
    return -sum(losses)
return -sum_dim(losses, [dim])
""", **_HIDDEN)  # fmt: skip
composite("cross_entropy_smoothed(Tensor input, Tensor target, Tensor? weight, int reduction, int ignore_index, float smoothing) -> Tensor", """
dim = 0 if input.ndim == 1 else 1
logs = log_softmax(input, dim)
hard = nll_loss_classes(logs, target, weight, reduction, ignore_index)
ignored = target == ignore_index
if weight is None:
    even = -sum_dim(logs, [dim])
else:
    even = -sum_dim(logs * class_weights(weight, input), [dim])
even = masked_fill(even, ignored, 0.0)
if reduction == 1:
    if weight is None:
        even = sum(even) / sum(logical_not(ignored))
    else:
        counted = gather(weight, 0, reshape(masked_fill(target, ignored, 0), [-1]))
        even = sum(even) / sum(masked_fill(counted, reshape(ignored, [-1]), 0.0))
if reduction == 2:
    even = sum(even)
return hard * (1 - smoothing) + even * (smoothing / input.shape[dim])
""", **_HIDDEN)  # fmt: skip
