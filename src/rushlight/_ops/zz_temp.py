from rushlight._ops.define import native, TABLE
def t(s, **k):
    n=s.split("(")[0]
    if n not in TABLE: native(s, records=True, **k)
t("masked_fill(Tensor input, Tensor mask, Operand value) -> Tensor")
t("cat(Tensor[] tensors, int dim=0) -> Tensor")
t("narrow(Tensor input, int dim, int start, int length) -> Tensor")
t("flip(Tensor input, int[] dims) -> Tensor")
t("scatter(Tensor input, int dim, Tensor index, Tensor src) -> Tensor")
t("zeros_like(Tensor input) -> Tensor")
t("ones_like(Tensor input) -> Tensor")
t("cumprod(Tensor input, int dim) -> Tensor")
t("digamma(Tensor input) -> Tensor")
