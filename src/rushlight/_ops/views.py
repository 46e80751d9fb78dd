"""Other looks at the same memory, copies, and filling."""

from rushlight._ops.define import composite, native, python, view

view("view(Tensor input, int[] size) -> Tensor", "reshape(grad, input.shape)", function=False,
     doc="""The same elements in another shape, without a copy; -1 stands for what is left over.

       The memory is shared. RuntimeError where the strides do not allow it (then reshape() copies) or the number of
       elements differs.

       >>> import rushlight as torch
       >>> x = torch.arange(6)
       >>> x.view(2, -1)
       tensor([[0, 1, 2],
               [3, 4, 5]])
       >>> x.view(3, 2)[0, 0] = 9
       >>> x
       tensor([9, 1, 2, 3, 4, 5])
       """)  # fmt: skip
native("_unsafe_view(Tensor input, int[] size) -> Tensor", derivative="reshape(grad, input.shape)", node="UnsafeViewBackward0",
       function=False, method=False)  # fmt: skip
view("_reshape_alias(Tensor input, int[] size) -> Tensor", "reshape(grad, input.shape)", function=False, method=False)
native("reshape(Tensor input, int[] shape) -> Tensor", records=True,
       doc="""The same elements in another shape: a view where the strides allow it, else a copy.

       RuntimeError where the number of elements differs.

       >>> import rushlight as torch
       >>> torch.arange(6).reshape(2, -1)
       tensor([[0, 1, 2],
               [3, 4, 5]])
       """)  # fmt: skip
view("as_strided(Tensor input, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
     "as_strided_backward(grad, input.shape, input.stride, input.offset, size, stride, storage_offset)", records=True, inplace=True,
     doc="A view with given sizes, strides and offset, all in elements; it must stay inside the storage.")  # fmt: skip
native("as_strided_backward(Tensor grad, int[] in_size, int[] in_stride, int in_offset, int[] size, int[] stride, int? storage_offset) -> Tensor", function=False, method=False,
       derivative={"grad": "as_strided_of(grad, in_size, in_stride, in_offset, size, stride, storage_offset)"}, edges=["grad"])
composite("as_strided_of(Tensor grad, int[] in_size, int[] in_stride, int in_offset, int[] size, int[] stride, int? storage_offset) -> Tensor",
          "as_strided(restrided(grad, in_size, in_stride), size, stride, 0 if storage_offset is None else storage_offset - in_offset)",
          function=False, method=False)  # fmt: skip
native("restrided(Tensor grad, int[] size, int[] stride) -> Tensor", derivative={"grad": "grad"}, function=False, method=False, code="""
Tensor *impl_restrided(Tensor *grad, Ints size, Ints stride) {
    Tensor *r = rl_empty_strided(size.n, size.v, stride.v, (RLDType)grad->dtype, grad->device);
    if (r && rl_copy_raw(r, grad) < 0) Py_CLEAR(r);
    return r;
}
""")  # fmt: skip
view("transpose(Tensor input, int dim0, int dim1) -> Tensor", "transpose(grad, dim0, dim1)", inplace=True,
     alias=("swapaxes", "swapdims"), doc="""Two dimensions exchanged; a view.

       >>> import rushlight as torch
       >>> torch.zeros(2, 3, 4).transpose(0, 2).shape
       torch.Size([4, 3, 2])
       """)  # fmt: skip
view("t(Tensor input) -> Tensor", "t(grad)", inplace=True, node="TBackward0", doc="""The transpose of a matrix; vectors stay as they are.

       >>> import rushlight as torch
       >>> torch.tensor([[1, 2, 3]]).t().shape
       torch.Size([3, 1])
       """)
view("permute(Tensor input, int[] dims) -> Tensor", "permute_backward(grad, dims)", doc="""Dimensions in another order; a view.

       >>> import rushlight as torch
       >>> torch.zeros(2, 3, 4).permute(2, 0, 1).shape
       torch.Size([4, 2, 3])
       """)
native("permute_backward(Tensor grad, int[] dims) -> Tensor", records=True, function=False, method=False, code="""
Tensor *rl_permute_backward(Tensor *grad, Ints dims) {
    int64_t back[RL_MAXDIM];
    for (int i = 0; i < dims.n; i++) back[dims.v[i] < 0 ? dims.v[i] + dims.n : dims.v[i]] = i;
    return rl_permute(grad, (Ints){back, dims.n});
}
""")  # fmt: skip
view("expand(Tensor input, int[] size, *, bool implicit=False) -> Tensor", "sum_to(grad, input.shape)", function=False,
     doc="""Dimensions of size 1 repeated without a copy; -1 keeps a size.

       RuntimeError where another dimension would have to change.

       >>> import rushlight as torch
       >>> torch.tensor([[1], [2]]).expand(-1, 3)
       tensor([[1, 1, 1],
               [2, 2, 2]])
       """)  # fmt: skip
composite("expand_as(Tensor input, Tensor other) -> Tensor", "expand(input, other.shape)", function=False, doc="expand() to the shape of other.")
composite("view_as(Tensor input, Tensor other) -> Tensor", "view(input, other.shape)", function=False, doc="view() in the shape of other.")
composite("reshape_as(Tensor input, Tensor other) -> Tensor", "reshape(input, other.shape)", function=False, doc="reshape() to the shape of other.")
composite("broadcast_to(Tensor input, int[] size) -> Tensor", "expand(input, size)", doc="expand(), as a function.")
view("select(Tensor input, int dim, int index) -> Tensor", "select_backward(grad, input.shape, dim, index)",
     doc="One position of a dimension, which disappears; a view.")  # fmt: skip
composite("select_backward(Tensor grad_output, int[] input_sizes, int dim, int index) -> Tensor", """
out = zeros_like_shape(grad_output, input_sizes)
place = select(out, dim, index)
same = copy_(place, grad_output, False)
return out
""", derivative={"grad_output": "select(grad, dim, index)"}, function=False, method=False)  # fmt: skip
view("slice(Tensor input, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor",
     "slice_backward(grad, input.shape, dim, start, end, step)", function=False, method=False)  # fmt: skip
composite("slice_backward(Tensor grad_output, int[] input_sizes, int dim, int? start, int? end, int step) -> Tensor", """
out = zeros_like_shape(grad_output, input_sizes)
place = slice(out, dim, start, end, step)
same = copy_(place, grad_output, False)
return out
""", derivative={"grad_output": "slice(grad, dim, start, end, step)"}, function=False, method=False)  # fmt: skip
view("squeeze(Tensor input) -> Tensor", "reshape(grad, input.shape)", code="""
Tensor *impl_squeeze(Tensor *input) { return rl_squeeze_dims(input, (Ints){NULL, -1}); }
""", inplace=True, doc="""Without its dimensions of size 1; a view.

       With `dim`, only that one, if it is of size 1.

       >>> import rushlight as torch
       >>> torch.zeros(1, 2, 1).squeeze().shape
       torch.Size([2])
       >>> torch.zeros(1, 2, 1).squeeze(0).shape
       torch.Size([2, 1])
       """)  # fmt: skip
view("squeeze.dim(Tensor input, int[1] dim) -> Tensor", "reshape(grad, input.shape)", node="SqueezeBackward1", code="""
Tensor *impl_squeeze_dim(Tensor *input, Ints dim) { return rl_squeeze_dims(input, dim); }
""", inplace=True)  # fmt: skip
view("unsqueeze(Tensor input, int dim) -> Tensor", "reshape(grad, input.shape)", inplace=True, doc="""With a new dimension of size 1 at dim; a view.

       >>> import rushlight as torch
       >>> torch.tensor([1, 2, 3]).unsqueeze(1).shape
       torch.Size([3, 1])
       """)
view("diagonal(Tensor input, int offset=0, int dim1=0, int dim2=1) -> Tensor", "diagonal_backward(grad, input.shape, offset, dim1, dim2)",
     doc="A diagonal of two dimensions, as the last dimension of a view.")  # fmt: skip
composite("diagonal_backward(Tensor grad_output, int[] input_sizes, int offset, int dim1, int dim2) -> Tensor", """
out = zeros_like_shape(grad_output, input_sizes)
place = diagonal(out, offset, dim1, dim2)
same = copy_(place, grad_output, False)
return out
""", derivative={"grad_output": "diagonal(grad, offset, dim1, dim2)"}, function=False, method=False)  # fmt: skip
view("unfold(Tensor input, int dimension, int size, int step) -> Tensor", "unfold_backward(grad, input.shape, dimension, size, step)",
     function=False, doc="Sliding windows of a dimension, as a new last dimension of a view.")  # fmt: skip
native("unfold_backward(Tensor grad_in, int[] input_sizes, int dim, int size, int step) -> Tensor", function=False, method=False,
       derivative={"grad_in": "unfold(grad, dim, size, step)"}, code="""
Tensor *impl_unfold_backward(Tensor *g, Ints sizes, int64_t dim, int64_t size, int64_t step) {
    (void)size;
    Tensor *out = rl_full_scalar(sizes.n, sizes.v, (Scalar){'i', {.i = 0}, 0}, (RLDType)g->dtype, g->device);
    int64_t d = out ? rl_wrap_dim(dim, sizes.n) : 0;
    if (!out) return NULL;
    if (sizes.n == 0) { /* its one window has one element or none */
        Py_DECREF(out);
        return rl_sum(g, RL_NODTYPE);
    }
    if (g->size[g->ndim - 1] < g->size[d]) { /* by place in the window, last first, so that each sum is in the order of windows */
        for (int64_t k = g->size[g->ndim - 1] - 1; k >= 0; k--) {
            Tensor *from = rl_select(g, -1, k), *to = rl_slice(out, d, k, k + (g->size[d] - 1) * step + 1, step);
            Tensor *sum = from && to ? rl_add_(to, from, RL_ONE) : NULL;
            Py_XDECREF(from); Py_XDECREF(to);
            if (!sum) { Py_DECREF(out); return NULL; }
            Py_DECREF(sum);
        }
        return out;
    }
    for (int64_t w = 0; w < g->size[d]; w++) {
        Tensor *from = rl_select(g, d, w), *to = rl_slice(out, d, w * step, w * step + g->size[g->ndim - 1], 1);
        Tensor *moved = NULL, *sum = NULL;
        if (from && to) {
            int64_t order[RL_MAXDIM]; /* the window is from's last dimension; to has it at d */
            int n = from->ndim;
            for (int i = 0, k = 0; i < n; i++) order[i] = i == d ? n - 1 : k++;
            moved = rl_permute(from, (Ints){order, n});
            if (moved) sum = rl_add_(to, moved, RL_ONE);
        }
        Py_XDECREF(from); Py_XDECREF(to); Py_XDECREF(moved);
        if (!sum) { Py_DECREF(out); return NULL; }
        Py_DECREF(sum);
    }
    return out;
}
""")  # fmt: skip
native("detach(Tensor input) -> Tensor", doc="""The same memory without history.

       Its requires_grad is False; an in-place change of it is seen by both, and counted.

       >>> import rushlight as torch
       >>> w = torch.ones(2, requires_grad=True)
       >>> w.detach()
       tensor([1., 1.])
       """)
view("same(Tensor input) -> Tensor", "grad", node="AliasBackward0", function=False, method=False, code="""
Tensor *impl_same(Tensor *t) { return rl_shallow(t); }
""")
view("view_as_real(Tensor input) -> Tensor", "view_as_complex(contiguous(grad))", method=False, code="""
Tensor *impl_view_as_real(Tensor *t) {
    if (!RL_IS_COMPLEX(t->dtype)) { PyErr_SetString(PyExc_RuntimeError, "view_as_real is only supported for complex tensors"); return NULL; }
    int64_t size[RL_MAXDIM], stride[RL_MAXDIM];
    for (int i = 0; i < t->ndim; i++) { size[i] = t->size[i]; stride[i] = 2 * t->stride[i]; }
    size[t->ndim] = 2;
    stride[t->ndim] = 1;
    Tensor *v = rl_alias(t, t->ndim + 1, size, stride, t->data);
    if (v) v->dtype = (uint8_t)rl_to_real((RLDType)t->dtype);
    return v;
}
""", doc="A complex tensor as pairs of real numbers, in a new last dimension; a view.")  # fmt: skip
view("view_as_complex(Tensor input) -> Tensor", "view_as_real(grad)", method=False, code="""
Tensor *impl_view_as_complex(Tensor *t) {
    if (t->dtype != RL_F32 && t->dtype != RL_F64 && t->dtype != RL_F16) {
        PyErr_Format(PyExc_RuntimeError, "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: %s",
                     rl_dtypes[t->dtype].legacy);
        return NULL;
    }
    if (t->ndim == 0) { PyErr_SetString(PyExc_RuntimeError, "Input tensor must have one or more dimensions"); return NULL; }
    if (t->size[t->ndim - 1] != 2) { PyErr_SetString(PyExc_RuntimeError, "Tensor must have a last dimension of size 2"); return NULL; }
    if (t->stride[t->ndim - 1] != 1) { PyErr_SetString(PyExc_RuntimeError, "Tensor must have a last dimension with stride 1"); return NULL; }
    int64_t size[RL_MAXDIM], stride[RL_MAXDIM];
    for (int i = 0; i + 1 < t->ndim; i++) {
        if (t->stride[i] % 2) {
            PyErr_Format(PyExc_RuntimeError, "Tensor must have a stride divisible by 2 for all but last dimension");
            return NULL;
        }
        size[i] = t->size[i];
        stride[i] = t->stride[i] / 2;
    }
    Tensor *v = rl_alias(t, t->ndim - 1, size, stride, t->data);
    if (v) { v->dtype = (uint8_t)rl_to_complex((RLDType)t->dtype); rl_set_geometry(v, t->ndim - 1, size, stride); }
    return v;
}
""", doc="Pairs of real numbers in the last dimension as complex numbers; a view.")  # fmt: skip
# Shares memory, but no history, not even for the same dtype: PyTorch's rule.
native("view.dtype(Tensor input, dtype dtype) -> Tensor", function=False, code="""
Tensor *impl_view_dtype(Tensor *t, RLDType dt) {
    int64_t have = RL_ITEMSIZE(t->dtype), want = RL_ITEMSIZE(dt);
    int64_t size[RL_MAXDIM], stride[RL_MAXDIM];
    memcpy(size, t->size, t->ndim * sizeof(int64_t));
    memcpy(stride, t->stride, t->ndim * sizeof(int64_t));
    int last = t->ndim - 1;
    if (have != want) {
        if (t->ndim == 0) {
            PyErr_Format(PyExc_RuntimeError, "self.dim() cannot be 0 to view %s as %s (different element sizes)", rl_dtypes[t->dtype].legacy, rl_dtypes[dt].legacy);
            return NULL;
        }
        if (stride[last] != 1) {
            PyErr_Format(PyExc_RuntimeError, "self.stride(-1) must be 1 to view %s as %s (different element sizes), but got %lld",
                         rl_dtypes[t->dtype].legacy, rl_dtypes[dt].legacy, (long long)stride[last]);
            return NULL;
        }
        if (have > want) {
            size[last] *= have / want;
            for (int i = 0; i < last; i++) stride[i] *= have / want;
        } else {
            int64_t r = want / have;
            bool fits = size[last] % r == 0 && RL_OFFSET(t) % r == 0;
            for (int i = 0; i < last; i++) fits &= stride[i] % r == 0;
            if (!fits) {
                PyErr_Format(PyExc_RuntimeError, "self.size(-1) must be divisible by %lld to view %s as %s (different element sizes), but got %lld",
                             (long long)r, rl_dtypes[t->dtype].legacy, rl_dtypes[dt].legacy, (long long)size[last]);
                return NULL;
            }
            size[last] /= r;
            for (int i = 0; i < last; i++) stride[i] /= r;
        }
    }
    Tensor *v = rl_alias(t, t->ndim, size, stride, t->data);
    if (v) v->dtype = (uint8_t)dt;
    return v;
}
""")  # fmt: skip

native("movedim(Tensor input, int[1] source, int[1] destination) -> Tensor", records=True, alias=("moveaxis",), code="""
Tensor *rl_movedim(Tensor *input, Ints source, Ints destination) {
    int n = input->ndim;
    int64_t order[RL_MAXDIM];
    bool used[RL_MAXDIM] = {false};
    if (source.n != destination.n) {
        PyErr_Format(PyExc_RuntimeError, "movedim: Invalid source or destination dims: source (%d dims) should contain the same number of dims "
                     "as destination (%d dims)", source.n, destination.n);
        return NULL;
    }
    for (int i = 0; i < n; i++) order[i] = -1;
    for (int i = 0; i < source.n; i++) {
        int64_t s = rl_wrap_dim(source.v[i], n), d = s == INT64_MIN ? s : rl_wrap_dim(destination.v[i], n);
        if (d == INT64_MIN) return NULL;
        if (used[s] || (n && order[d] >= 0)) { PyErr_SetString(PyExc_RuntimeError, "movedim: repeated dim"); return NULL; }
        if (n) { order[d] = s; used[s] = true; }
    }
    for (int i = 0, k = 0; i < n; i++) {
        if (order[i] >= 0) continue;
        while (used[k]) k++;
        order[i] = k++;
    }
    return rl_permute(input, (Ints){order, n});
}
""", doc="Dimensions moved to other places, the rest in order; a view.")  # fmt: skip
native("flatten(Tensor input, int start_dim=0, int end_dim=-1) -> Tensor", records=True, code="""
Tensor *rl_flatten(Tensor *input, int64_t start, int64_t end) {
    if ((start = rl_wrap_dim(start, input->ndim)) == INT64_MIN || (end = rl_wrap_dim(end, input->ndim)) == INT64_MIN) return NULL;
    if (start > end) { PyErr_SetString(PyExc_RuntimeError, "flatten() has invalid args: start_dim cannot come after end_dim"); return NULL; }
    if (input->ndim == 0) return rl_reshape(input, (Ints){(int64_t[]){1}, 1});
    if (start == end) return (Tensor *)Py_NewRef((PyObject *)input);
    int64_t size[RL_MAXDIM], n = 1;
    int k = 0;
    for (int i = 0; i < start; i++) size[k++] = input->size[i];
    for (int64_t i = start; i <= end; i++) n *= input->size[i];
    size[k++] = n;
    for (int64_t i = end + 1; i < input->ndim; i++) size[k++] = input->size[i];
    return rl_reshape(input, (Ints){size, k});
}
""", doc="""Dimensions start_dim to end_dim merged into one.

       >>> import rushlight as torch
       >>> torch.zeros(2, 3, 4).flatten(1).shape
       torch.Size([2, 12])
       """)  # fmt: skip
composite("ravel(Tensor input) -> Tensor", "reshape(contiguous(input), [-1])", doc="All elements in one dimension.")

# ---------------------------------------------------------------- copies and filling

native("clone(Tensor input, *, memory_format? memory_format=None) -> Tensor", derivative="grad", code="""
Tensor *impl_clone(Tensor *t, int format) {
    Tensor *r = format == RL_CONTIGUOUS_FORMAT ? rl_empty(t->ndim, t->size, (RLDType)t->dtype, t->device)
                : format == RL_CHANNELS_LAST || format == RL_CHANNELS_LAST_3D ? rl_empty_format(t, format)
                : rl_empty_like(t, (RLDType)t->dtype);
    if (r && rl_copy_raw(r, t) < 0) Py_CLEAR(r);
    return r;
}
""", doc="""A copy; gradients pass through.

       >>> import rushlight as torch
       >>> x = torch.tensor([1, 2])
       >>> y = x.clone()
       >>> y[0] = 9
       >>> x
       tensor([1, 2])
       """)  # fmt: skip
native("contiguous(Tensor input, *, memory_format memory_format=0) -> Tensor".replace("memory_format memory_format=0", "memory_format? memory_format=None"),
       records=True, function=False, code="""
Tensor *rl_contiguous(Tensor *t, int format) {
    if (format < 0) format = RL_CONTIGUOUS_FORMAT;
    if (format == RL_CONTIGUOUS_FORMAT && RL_IS_CONTIGUOUS(t)) return (Tensor *)Py_NewRef((PyObject *)t);
    return rl_clone(t, format);
}
""", doc="""The tensor itself when its elements lie in row-major order, else a copy where they do.

       >>> import rushlight as torch
       >>> x = torch.zeros(2, 3).t()
       >>> x.is_contiguous(), x.contiguous().is_contiguous()
       (False, True)
       """)  # fmt: skip
native("to_dtype(Tensor input, dtype dtype) -> Tensor", derivative="to_dtype(grad, input.dtype)", node="ToCopyBackward0", function=False,
       method=False, code="""
Tensor *impl_to_dtype(Tensor *t, RLDType dt) {
    Tensor *r = rl_empty_like(t, dt);
    if (r && RL_IS_COMPLEX(t->dtype) && !RL_IS_COMPLEX(dt) && dt != RL_BOOL &&
        PyErr_WarnEx(PyExc_UserWarning, "Casting complex values to real discards the imaginary part", 1) < 0) Py_CLEAR(r);
    if (r && rl_copy_raw(r, t) < 0) Py_CLEAR(r);
    return r;
}
""")  # fmt: skip
native("copy_(Tensor input, Tensor src, bool non_blocking=False) -> Tensor", records=True, function=False, code="""
static int copy_apply(Node *n, Tensor **in, Tensor **out) {
    if (!in[0]) return 0;
    if (n->edges[0].node) {
        out[0] = rl_full_scalar(in[0]->ndim, in[0]->size, (Scalar){'i', {.i = 0}, 0}, (RLDType)in[0]->dtype, in[0]->device);
        if (!out[0]) return -1;
    }
    if (n->edges[1].node) out[1] = (Tensor *)Py_NewRef((PyObject *)in[0]); /* shape and dtype are fitted by the engine */
    return 0;
}
static const NodeDef copy_def = {"CopyBackwards", copy_apply, 0, 0, NULL};

Tensor *rl_copy_(Tensor *self, Tensor *src, bool non_blocking) {
    (void)non_blocking;
    const bool record = rl_any_grad2(self, src) && RL_IS_INEXACT(self->dtype);
    if (rl_check_inplace(self, record) < 0) return NULL;
    int64_t shape[RL_MAXDIM];
    Tensor *both[] = {self, src};
    int nd = rl_broadcast_shapes(2, both, shape);
    if (nd < 0) return NULL;
    if (nd != self->ndim || memcmp(shape, self->size, (size_t)nd * sizeof(int64_t)) != 0) {
        PyErr_Format(PyExc_RuntimeError, "The expanded size of the tensor must match the existing size: cannot copy a larger shape into a smaller one");
        return NULL;
    }
    if (self != src && rl_check_overlap(self, 1, &src) < 0) return NULL;
    Node *n = NULL;
    if (record) {
        if (!(n = rl_node_new(&copy_def, 2))) return NULL;
        if (rl_node_edge(n, 0, self) < 0 || rl_node_edge(n, 1, src) < 0) { Py_DECREF(n); return NULL; }
    }
    if (self != src && rl_copy_raw(self, src) < 0) { Py_XDECREF(n); return NULL; }
    rl_bump(self);
    if (n) {
        int bad = rl_rebase_history(self, n, 0);
        Py_DECREF(n);
        if (bad < 0) return NULL;
    }
    return (Tensor *)Py_NewRef((PyObject *)self);
}
""", doc="Overwrites the elements with those of src, broadcast and cast.")  # fmt: skip
native("fill_(Tensor input, Operand value) -> Tensor", records=True, code="""
static int fill_apply(Node *n, Tensor **in, Tensor **out) {
    if (!in[0]) return 0;
    if (n->edges[0].node) {
        out[0] = rl_full_scalar(in[0]->ndim, in[0]->size, (Scalar){'i', {.i = 0}, 0}, (RLDType)in[0]->dtype, in[0]->device);
        if (!out[0]) return -1;
    }
    if (n->edges[1].node && !(out[1] = rl_sum(in[0], RL_NODTYPE))) return -1;
    return 0;
}
static const NodeDef fill_def = {"FillBackward0", fill_apply, 0, 0, NULL};

Tensor *rl_fill_(Tensor *self, Tensor *value) {
    const bool record = rl_any_grad2(self, value) && RL_IS_INEXACT(self->dtype);
    if (rl_check_inplace(self, record) < 0) return NULL;
    if (value->ndim != 0) {
        PyErr_Format(PyExc_RuntimeError, "fill_ only supports 0-dimension value tensor but got tensor with %d dimensions.", value->ndim);
        return NULL;
    }
    /* of a number it does not matter how often an element is written; of a tensor, this is copy_() */
    if (!(value->flags & RLF_WRAPPED) && rl_check_overlap(self, 1, &value) < 0) return NULL;
    if (RL_IS_COMPLEX(value->dtype) && !RL_IS_COMPLEX(self->dtype) && self->dtype != RL_BOOL) {
        PyErr_Format(PyExc_RuntimeError, "value cannot be converted to type %s without overflow", rl_dtypes[self->dtype].name);
        return NULL;
    }
    Node *n = NULL;
    if (record) {
        if (!(n = rl_node_new(&fill_def, 2))) return NULL;
        if (rl_node_edge(n, 0, self) < 0 || rl_node_edge(n, 1, value) < 0) { Py_DECREF(n); return NULL; }
    }
    if (rl_copy_raw(self, value) < 0) { Py_XDECREF(n); return NULL; }
    rl_bump(self);
    if (n) {
        int bad = rl_rebase_history(self, n, 0);
        Py_DECREF(n);
        if (bad < 0) return NULL;
    }
    return (Tensor *)Py_NewRef((PyObject *)self);
}
""", doc="Sets every element to value.")  # fmt: skip
native("zero_(Tensor input) -> Tensor", records=True, code="""
static int zero_apply(Node *n, Tensor **in, Tensor **out) {
    if (!in[0] || !n->edges[0].node) return 0;
    out[0] = rl_full_scalar(in[0]->ndim, in[0]->size, (Scalar){'i', {.i = 0}, 0}, (RLDType)in[0]->dtype, in[0]->device);
    return out[0] ? 0 : -1;
}
static const NodeDef zero_def = {"ZeroBackward0", zero_apply, 0, 0, NULL};

Tensor *rl_zero_(Tensor *self) {
    const bool record = rl_any_grad1(self) && RL_IS_INEXACT(self->dtype);
    if (rl_check_inplace(self, record) < 0) return NULL;
    Node *n = NULL;
    if (record) {
        if (!(n = rl_node_new(&zero_def, 1))) return NULL;
        if (rl_node_edge(n, 0, self) < 0) { Py_DECREF(n); return NULL; }
    }
    int bad = 0;
    if (RL_IS_CONTIGUOUS(self)) {
        if (self->data) rl_zero(self);
    } else {
        Tensor *zero = rl_wrap_int(0);
        bad = zero ? rl_copy_raw(self, zero) : -1;
        Py_XDECREF(zero);
    }
    rl_bump(self);
    if (n) {
        if (bad == 0) bad = rl_rebase_history(self, n, 0);
        Py_DECREF(n);
    }
    return bad < 0 ? NULL : (Tensor *)Py_NewRef((PyObject *)self);
}
""", doc="""Sets every element to 0.

       >>> import rushlight as torch
       >>> torch.ones(2).zero_()
       tensor([0., 0.])
       """)  # fmt: skip
composite("fill(Tensor input, Operand value) -> Tensor", "fill_(clone(input), value)", method=False, doc="A copy with every element set to value.")


@python("dim_order(Tensor input) -> object", function=False, doc="The dimensions from the outermost in memory to the innermost.")
def dim_order(input):
    return tuple(sorted(range(input.dim()), key=lambda d: -input.stride(d)))


@python("__reversed__(Tensor input) -> Tensor", function=False, doc="flip() along the first dimension.")
def __reversed__(input):
    return input.flip(0) if input.dim() else input

# ---------------------------------------------------------------- complex conjugates are computed at once

for _name, _doc in (("resolve_conj", "The tensor itself: conjugates are computed at once."),
                    ("resolve_neg", "The tensor itself: negatives are computed at once.")):  # fmt: skip
    native(f"{_name}(Tensor input) -> Tensor", records=True, doc=_doc, code=f"""
Tensor *rl_{_name}(Tensor *input) {{ return (Tensor *)Py_NewRef((PyObject *)input); }}
""")  # fmt: skip
for _name, _doc in (("is_conj", "Whether a conjugation is pending: never."), ("is_neg", "Whether a negation is pending: never.")):
    native(f"{_name}(Tensor input) -> object", doc=_doc, records=True, code=f"""
PyObject *rl_{_name}(Tensor *input) {{ (void)input; Py_RETURN_FALSE; }}
""")  # fmt: skip
