"""Elements picked, written, joined and moved by where they are."""

from rushlight._ops.define import composite, native, python

# ---------------------------------------------------------------- index lists

native("index(Tensor input, Tensor?[] indices) -> Tensor", records=True, function=False, method=False,
       doc="input[indices]: what subscripts with tensors become.")  # fmt: skip
native("index_put(Tensor input, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor", records=True,
       doc="A copy of input with values at the places that the indices name; accumulate adds them, repeated places included.")  # fmt: skip
native("index_put_(Tensor input, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor", records=True,
       doc="input[indices] = values, or += with accumulate, which counts repeated places.")  # fmt: skip

# ---------------------------------------------------------------- along one dimension

native("narrow(Tensor input, int dim, int start, int length) -> Tensor", records=True,
       doc="The entries start ... start + length - 1 of a dimension; a view.")  # fmt: skip
native("narrow.tensor(Tensor input, int dim, Tensor start, int length) -> Tensor", records=True)
native("index_select(Tensor input, int dim, Tensor index) -> Tensor", edges=["input"], out="exact distinct",
       derivative={"input": "index_add(zeros_like_shape(grad, input.shape), dim, index, grad)"},
       doc="""The entries of a dimension that a vector of indices names. IndexError outside of the dimension.

       >>> import rushlight as torch
       >>> torch.arange(6).reshape(2, 3).index_select(1, torch.tensor([2, 0]))
       tensor([[2, 0],
               [5, 3]])
       """)  # fmt: skip
native("index_add(Tensor input, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor", edges=["input", "source"],
       inplace=True, direct=True, out="exact apart",
       derivative={"input": "grad",
                   "source": "reshape(index_select(grad, dim, index) * alpha, source.shape)"},
       doc="input with alpha * source added at the places of index along dim; repeated places add up.")  # fmt: skip
native("index_copy(Tensor input, int dim, Tensor index, Tensor source) -> Tensor", edges=["input", "source"], inplace=True, direct=True, out="exact apart",
       derivative={"input": "index_fill(grad, dim, index, 0)",
                   "source": "reshape(index_select(grad, dim, index), source.shape)"},
       doc="input with source written at the places of index along dim.")  # fmt: skip
native("index_fill(Tensor input, int dim, Tensor index, Operand value) -> Tensor", edges=["input", "value"], inplace=True, direct=True,
       derivative={"input": "index_fill(grad, dim, index, 0)", "value": "sum(where(index_fill(zeros_like(grad), dim, index, 1) != 0, grad, 0))"},
       doc="input with value at the places of index along dim.")  # fmt: skip
native("take(Tensor input, Tensor index) -> Tensor", edges=["input"], out="exact distinct",
       derivative={"input": "put(zeros_like_shape(grad, input.shape), index, grad, True)"},
       doc="Elements by their place in the flattened input; the result has index's shape.")  # fmt: skip
native("put(Tensor input, Tensor index, Tensor source, bool accumulate=False) -> Tensor", edges=["input", "source"], inplace=True, direct=True,
       derivative={"input": "grad if accumulate else put(grad, index, zeros_like_shape(grad, source.shape), False)",
                   "source": "reshape(take(grad, index), source.shape)"},
       doc="input with source's elements at flat places; accumulate adds them.")  # fmt: skip

# ---------------------------------------------------------------- an index for every element

native("gather(Tensor input, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor", edges=["input"], out="exact distinct",
       derivative={"input": "scatter_add(zeros_like_shape(grad, input.shape), dim, index, grad)"},
       doc="""out[i][j] = input[index[i][j]][j] for dim 0, and so on. The result has index's shape.

       >>> import rushlight as torch
       >>> scores = torch.tensor([[0.1, 0.9], [0.8, 0.2]])
       >>> scores.gather(1, torch.tensor([[1], [0]]))
       tensor([[0.9000],
               [0.8000]])
       """)  # fmt: skip
native("scatter(Tensor input, int dim, Tensor index, Tensor src) -> Tensor", edges=["input", "src"], inplace=True, direct=True, out="exact apart",
       derivative={"input": "scatter_value(grad, dim, index, 0)", "src": "gather(grad, dim, index)"},
       doc="A copy of input with out[index[i][j]][j] = src[i][j] for dim 0, and so on.")  # fmt: skip
native("scatter.value(Tensor input, int dim, Tensor index, Scalar value) -> Tensor", edges=["input"], inplace=True, direct=True, out="exact apart",
       node="ScatterBackward1", derivative={"input": "scatter_value(grad, dim, index, 0)"})  # fmt: skip
native("scatter.reduce_op(Tensor input, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor", inplace=True, direct=True, out="exact apart")
native("scatter.value_reduce(Tensor input, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor", inplace=True, direct=True, out="exact apart")
native("scatter_add(Tensor input, int dim, Tensor index, Tensor src) -> Tensor", edges=["input", "src"], inplace=True, direct=True, out="exact apart",
       derivative={"input": "grad", "src": "gather(grad, dim, index)"},
       doc="input with out[index[i][j]][j] += src[i][j] for dim 0, and so on.")  # fmt: skip
native("scatter_reduce(Tensor input, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) -> Tensor",
       edges=["input", "src"], inplace=True, direct=True, out="exact apart",
       derivative={"input, src": "scatter_reduce_backward(grad, input, dim, index, src, reduce, include_self, result)"},
       doc="Folds src into the places of index: reduce is sum, prod, mean, amax or amin.")  # fmt: skip
composite("scatter_reduce_backward(Tensor grad, Tensor input, int dim, Tensor index, Tensor src, str reduce, bool include_self, "
          "Tensor result) -> (Tensor grad_input, Tensor grad_src)", """
grad_input = grad
grad_src = grad
if reduce == "sum":
    grad_src = gather(grad, dim, index)
if reduce == "mean":
    count = scatter_add(full_like_shape(grad, input.shape, include_self), dim, index, full_like_shape(grad, src.shape, True))
    share = grad / masked_fill(count, count == 0, 1)
    grad_input = share
    grad_src = gather(share, dim, index)
if reduce == "prod":
    nonzero_input = masked_fill(input, input == 0, 1)
    grad_input = grad * scatter_reduce(nonzero_input, dim, index, src, reduce, include_self=include_self) / nonzero_input
    zero = src == 0
    zeros = gather(scatter_add(zeros_like_shape(grad, input.shape), dim, index, to_dtype(zero, grad.dtype)), dim, index)
    lone = logical_and(zero, zeros == 1)
    others = scatter_reduce(input, dim, index, masked_fill(src, lone, 1), reduce, include_self=include_self)
    usual = gather(grad * result, dim, index) / masked_fill(src, zero, 1)
    grad_src = where(lone, gather(grad * others, dim, index), usual)
if reduce == "amax" or reduce == "amin":
    from_input = to_dtype(input == result, grad.dtype)
    from_src = to_dtype(src == gather(result, dim, index), grad.dtype)
    share = grad / scatter_add(from_input, dim, index, from_src)
    grad_input = from_input * share
    grad_src = from_src * gather(share, dim, index)
if not include_self:
    grad_input = scatter_value(grad_input, dim, index, 0)
return grad_input, grad_src
""", function=False, method=False)  # fmt: skip
native("full_like_shape(Tensor like, int[] shape, bool one) -> Tensor", records=True, function=False, method=False, code="""
Tensor *rl_full_like_shape(Tensor *like, Ints shape, bool one) {
    return rl_full_scalar(shape.n, shape.v, (Scalar){'i', {.i = one}, 0}, (RLDType)like->dtype, like->device);
}
""")  # fmt: skip
native("take_along_dim(Tensor input, Tensor indices, int? dim=None) -> Tensor", records=True, out="exact distinct",
       doc="gather() with shapes broadcast; without dim over the flattened input.")  # fmt: skip

native("_blend(Tensor input, int dim, Tensor left, Tensor right, Tensor share) -> Tensor", edges=["input"], method=False,
       derivative={"input": "_blend_backward(grad, input.shape, dim, left, right, share)"},
       doc="input[left] * (1 - share) + input[right] * share along a dimension, which linear interpolation is made of.")  # fmt: skip
composite("_blend_backward(Tensor grad, int[] shape, int dim, Tensor left, Tensor right, Tensor share) -> Tensor", """
first = index_add(zeros_like_shape(grad, shape), dim, left, grad * (1 - share))
return index_add(first, dim, right, grad * share)
""", function=False, method=False)  # fmt: skip

# ---------------------------------------------------------------- masks

native("masked_fill(Tensor input, Tensor mask, Operand value) -> Tensor", edges=["input", "value"], inplace=True, direct=True,
       derivative={"input": "sum_to(masked_fill(grad, mask, 0), input.shape)", "value": "sum(where(mask, grad, 0))"},
       doc="""input with value where the mask holds. Shapes broadcast.

       >>> import rushlight as torch
       >>> x = torch.tensor([1.0, -2.0, 3.0])
       >>> x.masked_fill(x < 0, 0.0)
       tensor([1., 0., 3.])
       """)  # fmt: skip
native("masked_select(Tensor input, Tensor mask) -> Tensor", edges=["input"], out="exact distinct",
       derivative={"input": "masked_select_backward(grad, input.shape, mask)"},
       doc="The elements where the mask holds, as a vector. Shapes broadcast.")  # fmt: skip
native("masked_select_backward(Tensor grad, int[] shape, Tensor mask) -> Tensor", records=True, function=False, method=False)
native("masked_scatter(Tensor input, Tensor mask, Tensor source) -> Tensor", edges=["input", "source"], inplace=True, direct=True,
       derivative={"input": "sum_to(masked_fill(grad, mask, 0), input.shape)",
                   "source": "masked_scatter_backward(grad, mask, source.shape)"},
       doc="input with source's elements, in order, where the mask holds.")  # fmt: skip
native("masked_scatter_backward(Tensor grad, Tensor mask, int[] shape) -> Tensor", records=True, function=False, method=False)
native("argwhere(Tensor input) -> Tensor", doc="The places of what is not zero, one a row.")
native("nonzero(Tensor input, *, bool as_tuple=False) -> object", records=True, out="exact",
       doc="""The places of what is not zero: one a row, or with as_tuple one vector a dimension.

       >>> import rushlight as torch
       >>> torch.tensor([0, 3, 0, 5]).nonzero()
       tensor([[1],
               [3]])
       """)  # fmt: skip
native("where.cond(Tensor condition) -> object", records=True, method=False)

# ---------------------------------------------------------------- a copy with one view of it replaced

native("select_scatter(Tensor input, Tensor src, int dim, int index) -> Tensor",
       derivative={"input": "select_scatter(grad, zeros_like_shape(grad, src.shape), dim, index)", "src": "select(grad, dim, index)"},
       doc="A copy of input whose select(dim, index) is src.")  # fmt: skip
native("slice_scatter(Tensor input, Tensor src, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor",
       derivative={"input": "slice_scatter(grad, zeros_like_shape(grad, src.shape), dim, start, end, step)",
                   "src": "slice(grad, dim, start, end, step)"},
       doc="A copy of input whose slice is src.")  # fmt: skip
native("diagonal_scatter(Tensor input, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor",
       derivative={"input": "diagonal_scatter(grad, zeros_like_shape(grad, src.shape), offset, dim1, dim2)",
                   "src": "diagonal(grad, offset, dim1, dim2)"},
       doc="A copy of input whose diagonal is src.")  # fmt: skip

# ---------------------------------------------------------------- embedding tables

native("embedding(Tensor input, Tensor weight, int? padding_idx=None, float? max_norm=None, float norm_type=2.0, "
       "bool scale_grad_by_freq=False, bool sparse=False) -> Tensor", records=True, method=False, namespaces=("nn.functional",),
       doc="""Rows of weight by index. Rows at padding_idx get no gradient; rows longer than max_norm are shortened in place.

       >>> import rushlight as torch
       >>> table = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
       >>> torch.nn.functional.embedding(torch.tensor([2, 0]), table)
       tensor([[2., 2.],
               [0., 0.]])
       """)  # fmt: skip
native("embedding_lookup(Tensor weight, Tensor indices, int padding_idx, bool scale_grad_by_freq) -> Tensor", edges=["weight"],
       derivative={"weight": "embedding_dense_backward(grad, indices, weight.shape[0], padding_idx, scale_grad_by_freq)"},
       node="EmbeddingBackward0", function=False, method=False)  # fmt: skip
native("embedding_dense_backward(Tensor grad_output, Tensor indices, int num_weights, int padding_idx, bool scale_grad_by_freq) -> Tensor",
       edges=["grad_output"], method=False, function=False,
       derivative={"grad_output": "embedding_double_backward(grad, indices, padding_idx)"})  # fmt: skip
composite("embedding_double_backward(Tensor grad, Tensor indices, int padding_idx) -> Tensor", """
rows = embedding_lookup(grad, indices, padding_idx, False)
if padding_idx >= 0:
    return masked_fill(rows, unsqueeze(indices == padding_idx, -1), 0)
return rows
""", function=False, method=False)  # fmt: skip
native("one_hot(Tensor tensor, int num_classes=-1) -> Tensor", method=False,
       doc="1 at each class of the last dimension added, 0 elsewhere; int64.")  # fmt: skip

# ---------------------------------------------------------------- other places

native("flip(Tensor input, int[] dims) -> Tensor", derivative="flip(grad, dims)", doc="""Dimensions back to front; a copy.

       >>> import rushlight as torch
       >>> torch.arange(3).flip(0)
       tensor([2, 1, 0])
       """)
native("fliplr(Tensor input) -> Tensor", records=True, doc="flip() along dimension 1.")
native("flipud(Tensor input) -> Tensor", records=True, doc="flip() along dimension 0.")
native("roll(Tensor input, int[1] shifts, int[1] dims=()) -> Tensor", derivative="roll_backward(grad, shifts, dims)",
       doc="""Entries moved along dimensions, coming back in at the other end; without dims over the flattened input.

       >>> import rushlight as torch
       >>> torch.arange(4).roll(1)
       tensor([3, 0, 1, 2])
       """)  # fmt: skip
native("roll_backward(Tensor grad, int[] shifts, int[] dims) -> Tensor", records=True, function=False, method=False)
native("rot90(Tensor input, int k=1, int[] dims=(0, 1)) -> Tensor", derivative="rot90(grad, -k, dims)",
       doc="Rotated by k quarter turns from the first of dims towards the second.")  # fmt: skip
native("tril(Tensor input, int diagonal=0) -> Tensor", derivative="tril(grad, diagonal)", inplace=True, direct=True, out="exact",
       doc="""Zero above the diagonal of the last two dimensions.

       >>> import rushlight as torch
       >>> torch.ones(3, 3).tril()
       tensor([[1., 0., 0.],
               [1., 1., 0.],
               [1., 1., 1.]])
       """)  # fmt: skip
native("triu(Tensor input, int diagonal=0) -> Tensor", derivative="triu(grad, diagonal)", inplace=True, direct=True, out="exact",
       doc="""Zero below the diagonal of the last two dimensions.

       >>> import rushlight as torch
       >>> torch.ones(3, 3).triu()
       tensor([[1., 1., 1.],
               [0., 1., 1.],
               [0., 0., 1.]])
       """)  # fmt: skip
# before the one below: an integer parameter would take a tensor of one element too
native("repeat_interleave.tensor(Tensor input, Tensor repeats, int? dim=None, *, int? output_size=None) -> Tensor", records=True)
native("repeat_interleave(Tensor input, int repeats, int? dim=None, *, int? output_size=None) -> Tensor", records=True,
       doc="Each entry of a dimension repeated in place; without dim over the flattened input.")  # fmt: skip
native("repeat_interleave.index(Tensor repeats, *, int? output_size=None) -> Tensor", method=False)

# ---------------------------------------------------------------- joining

native("cat(Tensor[] tensors, int dim=0) -> Tensor", records=True, out="distinct", alias=("concat", "concatenate"),
       doc="""Tensors one after the other along an existing dimension; dtypes promote.

       Sizes agree in all other dimensions.

       >>> import rushlight as torch
       >>> torch.cat([torch.zeros(1, 2), torch.ones(2, 2)])
       tensor([[0., 0.],
               [1., 1.],
               [1., 1.]])
       """)  # fmt: skip
native("stack(Tensor[] tensors, int dim=0) -> Tensor", records=True, out="distinct",
       doc="""Tensors of one shape side by side along a new dimension.

       >>> import rushlight as torch
       >>> torch.stack([torch.tensor([1, 2]), torch.tensor([3, 4])], dim=1)
       tensor([[1, 3],
               [2, 4]])
       """)  # fmt: skip
native("_lstm_layer_output(Tensor[] tensors) -> Tensor", records=True, method=False,
       doc="stack() of one LSTM layer's outputs, under the name that PyTorch's graph has for the layer.")  # fmt: skip
native("hstack(Tensor[] tensors) -> Tensor", records=True, out="distinct", doc="cat() along dimension 1, of vectors along 0.")
native("vstack(Tensor[] tensors) -> Tensor", records=True, out="distinct", alias=("row_stack",), doc="cat() of rows along dimension 0.")
native("dstack(Tensor[] tensors) -> Tensor", records=True, out="distinct", doc="cat() along dimension 2.")
native("column_stack(Tensor[] tensors) -> Tensor", records=True, out="distinct", doc="cat() of columns along dimension 1.")

# ---------------------------------------------------------------- taking apart, into views

native("unbind(Tensor input, int dim=0) -> object", records=True, doc="All positions of a dimension, each a view without it.")
native("split(Tensor tensor, int split_size_or_sections, int dim=0) -> object", records=True, method=False,
       doc="""Views of split_size entries each, the last perhaps shorter; or of the sizes listed.

       >>> import rushlight as torch
       >>> torch.arange(5).split(2)
       (tensor([0, 1]), tensor([2, 3]), tensor([4]))
       """)  # fmt: skip
native("split.sizes(Tensor tensor, int[] split_size_or_sections, int dim=0) -> object", records=True, method=False)
native("split.method(Tensor input, int split_size, int dim=0) -> object", records=True, function=False)
native("split.method_sizes(Tensor input, int[] split_size, int dim=0) -> object", records=True, function=False)
native("split_with_sizes(Tensor input, int[] split_sizes, int dim=0) -> object", records=True, doc="Views of the sizes listed.")
native("chunk(Tensor input, int chunks, int dim=0) -> object", records=True, doc="""At most `chunks` views of one size, the last perhaps shorter.

       >>> import rushlight as torch
       >>> torch.arange(5).chunk(2)
       (tensor([0, 1, 2]), tensor([3, 4]))
       """)
native("tensor_split.sections(Tensor input, int sections, int dim=0) -> object", records=True,
       doc="Exactly that many views, sizes differing by one at most; or views that end at the indices listed.")  # fmt: skip
native("tensor_split.indices(Tensor input, int[] indices, int dim=0) -> object", records=True)
native("tensor_split.tensor(Tensor input, Tensor tensor_indices_or_sections, int dim=0) -> object", records=True)
for _name, _dim in (("hsplit", "1, or 0 of a vector"), ("vsplit", "0"), ("dsplit", "2")):
    native(f"{_name}.sections(Tensor input, int sections) -> object", records=True, doc=f"tensor_split() in equal parts along dimension {_dim}.")
    native(f"{_name}.indices(Tensor input, int[] indices) -> object", records=True)

# ---------------------------------------------------------------- sorted values

native("searchsorted(Tensor sorted_sequence, Operand input, *, bool out_int32=False, bool right=False, str? side=None, "
       "Tensor? sorter=None) -> Tensor", method=False, out=True,
       doc="""Where each value would have to be inserted to keep the last dimension sorted: before equal ones, or after with right.

       >>> import rushlight as torch
       >>> torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([0, 3, 6]))
       tensor([0, 1, 3])
       """)  # fmt: skip
native("bucketize(Operand input, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor", method=False, out=True,
       doc="The number of the bucket that each value falls into, between sorted boundaries.")  # fmt: skip
native("isin(Operand elements, Operand test_elements, *, bool assume_unique=False, bool invert=False) -> Tensor", method=False, out="exact",
       doc="Which elements are among test_elements.")  # fmt: skip

# ---------------------------------------------------------------- bodies in Python


@python("index_reduce(Tensor input, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True) -> Tensor", inplace=True, out="exact apart",
        doc='Folds the slices of source along dim into those of input that index names: "prod", "mean", "amax" or "amin".')  # fmt: skip
def index_reduce(input, dim, index, source, reduce, include_self):
    from rushlight import _C

    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    if index.dim() > 1:
        raise IndexError("index_reduce_(): Index is supposed to be a vector")
    scalar = input.dim() == 0
    base, part = (input.reshape(1), source.reshape(-1)) if scalar else (input, source)
    shape = [1] * base.dim()
    shape[dim] = -1
    places = index.long().reshape(shape).expand(part.shape)
    result = _C.scatter_reduce(base, dim, places, part, reduce, include_self=include_self)
    return result.reshape([]) if scalar else result


@python("nonzero_static(Tensor input, *, int size, int fill_value=-1) -> Tensor", out=True,
        doc="nonzero() cut or filled up to `size` rows.")  # fmt: skip
def nonzero_static(input, size, fill_value):
    found = input.nonzero()[:size]
    out = found.new_full((size, input.dim()), fill_value)
    out[: len(found)] = found
    return out


@python("unravel_index(Tensor indices, object shape) -> object", method=False,
        doc="Positions in the flattened tensor of that shape as one index a dimension.")  # fmt: skip
def unravel_index(indices, shape):
    sizes = [shape] if isinstance(shape, int) else [int(s) for s in shape]
    if any(s < 0 for s in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {tuple(sizes)}")
    out = []
    for size in reversed(sizes):
        out.append(indices % size)
        indices = indices.div(size, rounding_mode="floor")
    return tuple(reversed(out))


@python("fill_diagonal_(Tensor input, Scalar fill_value, bool wrap=False) -> Tensor", function=False,
        doc="The main diagonal filled; with wrap, of a tall matrix again below each block of columns.")  # fmt: skip
def fill_diagonal_(input, fill_value, wrap):
    if input.dim() < 2:
        raise RuntimeError("dimensions must larger than 1")
    if input.dim() > 2 and len(set(input.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    side = min(input.shape)
    input.as_strided([side], [sum(input.stride())], input.storage_offset()).fill_(fill_value)
    rows, columns = input.shape[:2]
    for start in range(columns + 1, rows, columns + 1) if wrap and input.dim() == 2 else ():
        input[start:].diagonal().fill_(fill_value)
    return input
