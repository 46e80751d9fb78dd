"""What the data loader needs of the core."""

from rushlight._ops.define import native

native("_index_select_parts(Tensor[] parts, Tensor index) -> Tensor", records=True, method=False, code="""
/* Parts without gradient, contiguous, alike but for the size of dimension 0; index: a contiguous vector of int64. */
Tensor *rl__index_select_parts(Tensors parts, Tensor *index) {
    Tensor *first = parts.v[0];
    int64_t size[RL_MAXDIM], *ends = PyMem_Malloc((size_t)parts.n * sizeof(int64_t)), total = 0;
    if (!ends) { PyErr_NoMemory(); return NULL; }
    for (int k = 0; k < parts.n; k++) ends[k] = total += parts.v[k]->size[0];
    for (int d = 1; d < first->ndim; d++) size[d] = first->size[d];
    size[0] = index->numel;
    Tensor *out = rl_empty(first->ndim, size, (RLDType)first->dtype, first->device);
    const size_t row = (size_t)RL_ITEMSIZE(first->dtype) * (size_t)(first->size[0] ? first->numel / first->size[0] : 0);
    for (int64_t i = 0; out && i < index->numel; i++) {
        const int64_t at = ((const int64_t *)index->data)[i];
        if (at < 0 || at >= total) {
            PyErr_SetString(PyExc_IndexError, "index out of range in self");
            Py_CLEAR(out);
            break;
        }
        int low = 0, high = parts.n - 1; /* the first part that ends behind `at` */
        while (low < high) {
            const int middle = (low + high) / 2;
            if (ends[middle] > at) high = middle;
            else low = middle + 1;
        }
        const int64_t start = low ? ends[low - 1] : 0;
        memcpy((char *)out->data + (size_t)i * row, (const char *)parts.v[low]->data + (size_t)(at - start) * row, row);
    }
    PyMem_Free(ends);
    return out;
}
""", doc="index_select() along dimension 0 from tensors that lie one behind the other, without joining them.")  # fmt: skip
native("_transpose_rows(object rows) -> object", records=True, method=False, code="""
PyObject *rl__transpose_rows(PyObject *rows) {
    const Py_ssize_t n = PyList_CheckExact(rows) ? PyList_GET_SIZE(rows) : 0;
    if (n == 0) Py_RETURN_NONE;
    PyObject *const first = PyList_GET_ITEM(rows, 0);
    if (!PyTuple_CheckExact(first)) Py_RETURN_NONE;
    const Py_ssize_t width = PyTuple_GET_SIZE(first);
    for (Py_ssize_t i = 1; i < n; i++) {
        PyObject *const row = PyList_GET_ITEM(rows, i);
        if (!PyTuple_CheckExact(row) || PyTuple_GET_SIZE(row) != width) Py_RETURN_NONE;
    }
    PyObject *columns = PyList_New(width);
    for (Py_ssize_t k = 0; columns && k < width; k++) {
        PyObject *column = PyTuple_New(n);
        if (!column) { Py_CLEAR(columns); break; }
        for (Py_ssize_t i = 0; i < n; i++)
            PyTuple_SET_ITEM(column, i, Py_NewRef(PyTuple_GET_ITEM(PyList_GET_ITEM(rows, i), k)));
        PyList_SET_ITEM(columns, k, column);
    }
    return columns;
}
""", doc="list(zip(*rows)) of a list of plain tuples of one length; None for anything else.")  # fmt: skip
