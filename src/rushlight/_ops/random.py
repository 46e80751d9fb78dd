"""Random numbers: the methods that fill a tensor, the functions that make one, and dropout.

The streams are PyTorch's (`_core/random.h`).  `_core/fill.c` holds the methods, `_core/sampling.c` the functions,
`_core/dropout.c` the layers; what they return has no gradient, or one of zeros where PyTorch says so.
"""

from rushlight._ops.define import Op, composite, native, op, python


def fill(schema: str, doc: str) -> Op:
    """A method that overwrites its tensor; the gradient with respect to what it was is zero."""
    return native(schema, records=True, function=False, doc=doc)


def make(schema: str, doc: str, like: bool = False) -> Op:
    """A function that makes a tensor, with PyTorch's keywords; `out` is drawn into in its own dtype."""
    head, tail = schema.rsplit(")", 1)
    out = "" if like else "Tensor? out=None, "
    options = "dtype? dtype=None, layout? layout=None, device? device=None, bool? pin_memory=None, bool requires_grad=False"
    memory_format = ", memory_format? memory_format=None" if like else ""
    return native(f"{head}, *, Generator? generator=None, {out}{options}{memory_format}){tail}", records=True, method=False, doc=doc)


# ---------------------------------------------------------------- methods

fill("normal_(Tensor self, float mean=0.0, float std=1.0, *, Generator? generator=None) -> Tensor",
     doc="Fills self from the normal distribution N(mean, std**2); the parts of complex numbers have variance std**2 / 2.")  # fmt: skip
fill("uniform_(Tensor self, float from=0.0, float to=1.0, *, Generator? generator=None) -> Tensor",
     doc="Fills self evenly from [from, to).")  # fmt: skip
fill("random_.from(Tensor self, int from, int? to, *, Generator? generator=None) -> Tensor",
     doc="""Fills self with integers from [from, to), from [0, to), or from all that its dtype holds exactly.

     to=None: up to the dtype's largest. Floating dtypes warn where the bounds are not exact in them.
     """)  # fmt: skip
fill("random_.to(Tensor self, int to, *, Generator? generator=None) -> Tensor", doc="")
fill("random_(Tensor self, *, Generator? generator=None) -> Tensor", doc="")
fill("bernoulli_.tensor(Tensor self, Tensor p, *, Generator? generator=None) -> Tensor",
     doc="Fills self with 1 where a draw falls below p (a number, or a tensor that broadcasts to self), else 0.")  # fmt: skip
fill("bernoulli_(Tensor self, float p=0.5, *, Generator? generator=None) -> Tensor", doc="")
fill("exponential_(Tensor self, float lambd=1.0, *, Generator? generator=None) -> Tensor",
     doc="Fills self from the exponential distribution: density lambd * exp(-lambd * x) for x > 0.")  # fmt: skip
fill("geometric_(Tensor self, float p, *, Generator? generator=None) -> Tensor",
     doc="Fills self with the number of trials up to the first success: P(k) = (1 - p)**(k - 1) * p, k = 1, 2, ...")  # fmt: skip
fill("cauchy_(Tensor self, float median=0.0, float sigma=1.0, *, Generator? generator=None) -> Tensor",
     doc="Fills self from the Cauchy distribution: density sigma / (pi * ((x - median)**2 + sigma**2)).")  # fmt: skip
fill("log_normal_(Tensor self, float mean=1.0, float std=2.0, *, Generator? generator=None) -> Tensor",
     doc="Fills self with exp(z) for z from N(mean, std**2).")  # fmt: skip

# ---------------------------------------------------------------- new tensors

make("rand(int[] size) -> Tensor",
     doc="""Numbers drawn evenly from [0, 1).

     >>> import rushlight as torch
     >>> _ = torch.manual_seed(0)
     >>> torch.rand(2)
     tensor([0.4963, 0.7682])
     """)  # fmt: skip
make("randn(int[] size) -> Tensor",
     doc="""Numbers drawn from the standard normal distribution; complex ones have variance 1 over both parts.

     >>> import rushlight as torch
     >>> _ = torch.manual_seed(0)
     >>> torch.randn(2)
     tensor([ 1.5410, -0.2934])
     """)  # fmt: skip
make("randint.low(int low, int high, int[] size) -> Tensor",
     doc="""Integers drawn evenly from [low, high), low = 0 unless given; int64 unless dtype says otherwise.

       >>> import rushlight as torch
       >>> _ = torch.manual_seed(0)
       >>> torch.randint(0, 10, (5,))
       tensor([4, 9, 3, 0, 3])
       """)  # fmt: skip
make("randint(int high, int[] size) -> Tensor", doc="")
make("randperm.n(int n) -> Tensor",
     doc="""A random order of 0 .. n - 1; int64 unless dtype says otherwise. RuntimeError where the dtype cannot hold n.

       >>> import rushlight as torch
       >>> _ = torch.manual_seed(0)
       >>> torch.randperm(5)
       tensor([4, 0, 1, 3, 2])
       """)  # fmt: skip
make("rand_like(Tensor input) -> Tensor", like=True, doc="rand with the shape, dtype, device and strides of input.")
make("randn_like(Tensor input) -> Tensor", like=True, doc="randn with the shape, dtype, device and strides of input.")
make("randint_like(Tensor input, int high) -> Tensor", like=True,
     doc="randint with the shape, dtype, device and strides of input.")  # fmt: skip
make("randint_like.low(Tensor input, int low, int high) -> Tensor", like=True, doc="")

native("normal(Tensor mean, Tensor std, *, Generator? generator=None) -> Tensor", node="NormalBackward3", out=True, method=False,
       derivative={"mean": "zeros_like_shape(grad, mean.shape)", "std": "zeros_like_shape(grad, std.shape)"},
       doc="""Numbers from N(mean, std**2), each element with its own mean and std where these are tensors.

       Two tensors broadcast together; the dtype is the mean's. Two numbers need a size.
       """)  # fmt: skip
native("normal.mean(Tensor mean, float std=1.0, *, Generator? generator=None) -> Tensor", node="NormalBackward1", out=True,
       method=False, derivative="zeros_like_shape(grad, mean.shape)")  # fmt: skip
native("normal.std(float mean, Tensor std, *, Generator? generator=None) -> Tensor", node="NormalBackward2", out=True, method=False,
       derivative={"std": "zeros_like_shape(grad, std.shape)"})  # fmt: skip
make("normal.size(float mean, float std, int[] size) -> Tensor", doc="")

# ---------------------------------------------------------------- draws with parameters of their own

native("bernoulli.tensor(Tensor input, *, Generator? generator=None) -> Tensor", node="BernoulliBackward0", out=True,
       derivative="zeros_like_shape(grad, input.shape)",
       doc="1 with probability input, else 0; or with probability p in input's shape. RuntimeError outside [0, 1].")  # fmt: skip
native("bernoulli.p(Tensor input, float p, *, Generator? generator=None) -> Tensor", out=True)
native("multinomial(Tensor input, int num_samples, bool replacement=False, *, Generator? generator=None, Tensor? out=None) -> Tensor",
       records=True,
       doc="""Draws num_samples indices from each row of input with probabilities in proportion to its entries; int64.

       input: (m, n) or (n,), floating, not negative, no row all zero. Without replacement the indices of a row differ.
       """)  # fmt: skip
native("poisson(Tensor input, Generator? generator=None) -> Tensor", out=True, method=False,
       derivative="zeros_like_shape(grad, input.shape)",
       doc="Draws from the Poisson distribution with rate input, element by element, in input's dtype.")  # fmt: skip
native("binomial(Tensor count, Tensor prob, Generator? generator=None) -> Tensor", out=True, method=False,
       doc="Successes in count trials of probability prob, element by element; float32 or float64.")  # fmt: skip
native("_standard_gamma(Tensor input, Generator? generator=None) -> Tensor", method=False,
       derivative="grad * _standard_gamma_grad(input, result)",
       doc="Draws from Gamma(input, 1), element by element (Marsaglia & Tsang, 2000).")  # fmt: skip
native("_sample_dirichlet(Tensor input, Generator? generator=None) -> Tensor", method=False,
       derivative="sample_dirichlet_backward(grad, input, result)",
       doc="A point of the Dirichlet distribution for each row of concentrations.")  # fmt: skip
op("_standard_gamma_grad(Tensor input, Tensor output) -> Tensor", kind="binary", kernel={"float": "sf_gamma_slope(a, b)"}, method=False,
   doc="How _standard_gamma()'s draws move with the concentration.")  # fmt: skip
op("_dirichlet_grad(Tensor x, Tensor alpha, Tensor total) -> Tensor", kind="ternary", kernel={"float": "sf_dirichlet_slope(a, b, c)"}, method=False,
   doc="How a component of _sample_dirichlet()'s draws moves with its concentration, divided by 1 - x.")  # fmt: skip
composite("sample_dirichlet_backward(Tensor grad, Tensor input, Tensor x) -> Tensor", """
slope = _dirichlet_grad(x, input, expand(sum_dim(input, [-1], True), input.shape))
return slope * (grad - sum_dim(x * grad, [-1], True))
""", function=False, method=False)  # fmt: skip

# ---------------------------------------------------------------- dropout

native("dropout(Tensor input, float p=0.5, bool training=True, bool inplace=False) -> Tensor", records=True, method=False,
       doc="""input * m / (1 - p) with m drawn from Bernoulli(1 - p); input itself when not training (Hinton et al., 2012).

       ValueError for p outside [0, 1].
       """)  # fmt: skip
native("dropout.train(Tensor input, float p, bool train) -> Tensor", records=True, method=False)
for name, doc in {
    "dropout_": "dropout in place.",
    "alpha_dropout": "Dropout that keeps mean 0 and variance 1 after SELU (Klambauer et al., 2017).",
    "alpha_dropout_": "alpha_dropout in place.",
    "feature_dropout": "dropout of whole channels of (N, C, ...).",
    "feature_dropout_": "feature_dropout in place.",
    "feature_alpha_dropout": "alpha_dropout of whole channels of (N, C, ...).",
    "feature_alpha_dropout_": "feature_alpha_dropout in place.",
}.items():
    native(f"{name}(Tensor input, float p, bool train) -> Tensor", records=True, method=False, doc=doc)

RRELU = "Tensor input, float lower=0.125, float upper=1/3, bool training=False"
native(f"rrelu({RRELU}, bool inplace=False) -> Tensor", records=True, method=False,
       doc="""x where x > 0, else a * x with a drawn from [lower, upper) for each element; not training: a = (lower + upper) / 2.

       The randomised leaky rectifier of Xu et al. (2015).
       """)  # fmt: skip
native(f"rrelu.generator({RRELU}, Generator? generator=None) -> Tensor", records=True, method=False)
native(f"rrelu_({RRELU}, Generator? generator=None) -> Tensor", records=True, method=False, doc="rrelu in place.")


@python("native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)", method=False, doc="dropout(), and which elements stayed.")
def native_dropout(input, p, train):
    from rushlight import _C

    if train is False or input.numel() == 0:
        return input.clone(), _C.ones_like(input, dtype=_C.bool)
    mask = _C.empty_like(input).bernoulli_(1 - p)
    return input * mask * (0.0 if p == 1 else 1 / (1 - p)), mask.bool()
