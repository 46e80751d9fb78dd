"""Matrix products."""

from rushlight._ops.define import composite, native

native("mm(Tensor input, Tensor mat2) -> Tensor", out="exact", autocast="narrow",
       derivative={"input": "mm(grad, conj(t(mat2)))", "mat2": "mm(conj(t(input)), grad)"}, doc="""The product of two matrices: (n, k) @ (k, m).

       >>> import rushlight as torch
       >>> torch.mm(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0]]))
       tensor([[11.]])
       """)  # fmt: skip
native("bmm(Tensor input, Tensor mat2) -> Tensor", out="exact", autocast="narrow",
       derivative={"input": "bmm(grad, conj(transpose(mat2, 1, 2)))", "mat2": "bmm(conj(transpose(input, 1, 2)), grad)"},
       doc="""Products of matrices, one a batch entry: (b, n, k) @ (b, k, m).

       >>> import rushlight as torch
       >>> torch.bmm(torch.ones(5, 2, 3), torch.ones(5, 3, 4)).shape
       torch.Size([5, 2, 4])
       """)  # fmt: skip
native("mv(Tensor input, Tensor vec) -> Tensor", out=True,
       derivative={"input": "unsqueeze(grad, 1) * conj(unsqueeze(vec, 0))", "vec": "mv(conj(t(input)), grad)"},
       doc="A matrix times a vector: (n, k) @ (k,).")  # fmt: skip
native("dot(Tensor input, Tensor tensor) -> Tensor", out=True, derivative={"input": "grad * conj(tensor)", "tensor": "grad * conj(input)"},
       doc="""The inner product of two vectors.

       >>> import rushlight as torch
       >>> torch.dot(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
       tensor(11.)
       """)  # fmt: skip
native("addmm(Tensor input, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", out="exact", inplace=True, numbers_first=True, autocast="narrow",
       derivative={"input": "grad * conj_number(beta)", "mat1": "mm(grad, conj(t(mat2))) * conj_number(alpha)",
                   "mat2": "mm(conj(t(mat1)), grad) * conj_number(alpha)"},
       doc="beta * input + alpha * (mat1 @ mat2).")  # fmt: skip
native("baddbmm(Tensor input, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", out=True, inplace=True, numbers_first=True, autocast="narrow",
       derivative={"input": "grad * conj_number(beta)", "batch1": "bmm(grad, conj(transpose(batch2, 1, 2))) * conj_number(alpha)",
                   "batch2": "bmm(conj(transpose(batch1, 1, 2)), grad) * conj_number(alpha)"},
       doc="beta * input + alpha * (batch1 @ batch2).")  # fmt: skip
native("outer(Tensor input, Tensor vec2) -> Tensor", records=True, out=True, alias=("ger",), code="""
Tensor *rl_outer(Tensor *a, Tensor *b) {
    if (a->ndim != 1 || b->ndim != 1) {
        PyErr_Format(PyExc_RuntimeError, "outer: Expected 1-D argument %s, but got %d-D", a->ndim != 1 ? "self" : "vec2",
                     a->ndim != 1 ? a->ndim : b->ndim);
        return NULL;
    }
    Tensor *column = rl_unsqueeze(a, 1), *r = column ? rl_mul(column, b) : NULL;
    Py_XDECREF(column);
    return r;
}
""", doc="""All products of two vectors: (n,), (m,) -> (n, m).

       >>> import rushlight as torch
       >>> torch.outer(torch.tensor([1, 2]), torch.tensor([1, 10]))
       tensor([[ 1, 10],
               [ 2, 20]])
       """)  # fmt: skip
native("matmul(Tensor input, Tensor other) -> Tensor", records=True, out=True, autocast="narrow",
       doc="""The matrix product with NumPy's rules: vectors are rows or columns, leading dimensions broadcast.

       >>> import rushlight as torch
       >>> torch.matmul(torch.ones(2, 3), torch.ones(3))
       tensor([3., 3.])
       >>> (torch.ones(5, 2, 3) @ torch.ones(3, 4)).shape
       torch.Size([5, 2, 4])
       """)  # fmt: skip

# beta * input + alpha * (a product): the numbers take the dtype of the product, and a beta of 0 keeps NaN of input out.
for _schema, _product, _doc, _derivative in (
    ("addbmm(Tensor input, Tensor batch1, Tensor batch2", "sum_dim(bmm(batch1, batch2), [0])", "sum over batches of batch1 @ batch2",
     {"batch1": "matmul(grad, conj(transpose(batch2, 1, 2)))", "batch2": "matmul(conj(transpose(batch1, 1, 2)), grad)"}),
    ("addmv(Tensor input, Tensor mat, Tensor vec", "mv(mat, vec)", "mat @ vec",
     {"mat": "outer(grad, conj(vec))", "vec": "mv(conj(t(mat)), grad)"}),
    ("addr(Tensor input, Tensor vec1, Tensor vec2", "outer(vec1, vec2)", "outer(vec1, vec2)",
     {"vec1": "mv(grad, conj(vec2))", "vec2": "mv(t(grad), conj(vec1))"}),
):  # fmt: skip
    composite(f"{_schema}, *, Scalar beta=1, Scalar alpha=1) -> Tensor", f"""
product = {_product}
scaled = product * number_as(alpha, product.dtype)
if beta == 0:
    return scaled
return input * number_as(beta, product.dtype) + scaled
""", derivative={"input": "grad * conj_number(beta)", **{k: f"{v} * conj_number(alpha)" for k, v in _derivative.items()}},
              out=True, inplace=True, inplace_function=_schema.startswith("addmv"), numbers_first=True,
              autocast="narrow" if _schema.startswith("addbmm") else "", doc=f"beta * input + alpha * ({_doc}).")  # fmt: skip
native("linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor", namespaces=("nn.functional",), method=False, out="exact", autocast="narrow",
       node="AddmmBackward0", edges=["bias", "input", "weight"],
       derivative={"bias": "grad",
                   "input": "linear_input_backward(grad, weight)", "weight": "linear_weight_backward(grad, input, weight.ndim)"},
       doc="""input @ weight.T + bias; input is (..., in), weight (out, in), bias (out,) or what broadcasts to the result.

       >>> import rushlight as torch
       >>> torch.nn.functional.linear(torch.tensor([1.0, 2.0]), torch.tensor([[1.0, 1.0], [0.0, 1.0]]), torch.tensor([0.5, 0.0]))
       tensor([3.5000, 2.0000])
       """)  # fmt: skip
composite("linear_input_backward(Tensor grad, Tensor weight) -> Tensor", """
if weight.ndim == 1:
    return unsqueeze(grad, -1) * weight
if grad.ndim == 2:
    return mm(grad, conj(weight))
return matmul(grad, conj(weight))
""", function=False, method=False)  # fmt: skip
composite("linear_weight_backward(Tensor grad, Tensor input, int weight_ndim) -> Tensor", """
if weight_ndim == 1:
    return mv(t(reshape(input, [-1, input.shape[-1]])), reshape(grad, [-1]))
if grad.ndim == 2:
    return mm(t(grad), conj(input))
if grad.ndim == 1:
    return outer(grad, conj(input))
return mm(t(reshape(grad, [-1, grad.shape[-1]])), conj(reshape(input, [-1, input.shape[-1]])))
""", function=False, method=False)  # fmt: skip
