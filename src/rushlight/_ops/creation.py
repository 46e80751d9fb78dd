"""Making tensors: constants, ranges, from data; and asking for another dtype, device or memory.

The bodies are in _core/factory.c (rules), create.c (Python values), interop.c (arrays, buffers, DLPack),
convert.c (dtypes, devices) and storage_object.c (memory).
"""

from __future__ import annotations

from rushlight._ops.define import native, python

OPTIONS = "dtype? dtype=None, layout? layout=None, device? device=None, bool? pin_memory=False, bool requires_grad=False"
OUT = "*, Tensor? out=None, " + OPTIONS  # which the bodies write into by themselves: `records`
LIKE = "*, " + OPTIONS + ", memory_format? memory_format=None"
NEW = "*, " + OPTIONS

# ---------------------------------------------------------------- constants

native(f"empty.size(int[] size, {OUT}, memory_format? memory_format=None) -> Tensor", method=False, records=True,
       doc="A tensor of the given size with whatever the memory holds.")  # fmt: skip
native(f"zeros.size(int[] size, {OUT}) -> Tensor", method=False, records=True, doc="""A tensor of zeros.

       >>> import rushlight as torch
       >>> torch.zeros(2, 3)
       tensor([[0., 0., 0.],
               [0., 0., 0.]])
       """)
native(f"ones.size(int[] size, {OUT}) -> Tensor", method=False, records=True, doc="""A tensor of ones.

       >>> import rushlight as torch
       >>> torch.ones(2, dtype=torch.int64)
       tensor([1, 1])
       """)
native(f"full.size(int[] size, Scalar fill_value, {OUT}) -> Tensor", method=False, records=True,
       doc="A tensor of one value; its dtype is inferred from the value.")  # fmt: skip
native(f"empty_strided.size(int[] size, int[] stride, {NEW}) -> Tensor", method=False,
       doc="An uninitialised tensor with the given strides.")  # fmt: skip

native(f"empty_like.tensor(Tensor input, {LIKE}) -> Tensor", method=False, doc="Uninitialised, with the size, dtype and strides of input.")
native(f"zeros_like(Tensor input, {LIKE}) -> Tensor", method=False, doc="Zeros, with the size, dtype and strides of input.")
native(f"ones_like(Tensor input, {LIKE}) -> Tensor", method=False, doc="Ones, with the size, dtype and strides of input.")
native(f"full_like(Tensor input, Scalar fill_value, {LIKE}) -> Tensor", method=False,
       doc="One value, with the size, dtype and strides of input.")  # fmt: skip

native(f"new_empty(Tensor input, int[] size, {NEW}) -> Tensor", function=False, doc="Uninitialised, with the dtype and device of self.")
native(f"new_zeros(Tensor input, int[] size, {NEW}) -> Tensor", function=False, doc="Zeros, with the dtype and device of self.")
native(f"new_ones(Tensor input, int[] size, {NEW}) -> Tensor", function=False, doc="Ones, with the dtype and device of self.")
native(f"new_full(Tensor input, int[] size, Scalar fill_value, {NEW}) -> Tensor", function=False,
       doc="One value, with the dtype and device of self.")  # fmt: skip
native(f"new_empty_strided(Tensor input, int[] size, int[] stride, {NEW}) -> Tensor", function=False,
       doc="Uninitialised, with the given strides and the dtype and device of self.")  # fmt: skip

# ---------------------------------------------------------------- ranges and matrices

native(f"arange(Scalar end, {OUT}) -> Tensor", method=False, records=True,
       doc="""The ceil((end - start) / step) values start, start + step, ... before end. Integers give int64.

       >>> import rushlight as torch
       >>> torch.arange(3), torch.arange(0, 1, 0.25)
       (tensor([0, 1, 2]), tensor([0.0000, 0.2500, 0.5000, 0.7500]))
       """)  # fmt: skip
native(f"arange.start(Scalar start, Scalar end, {OUT}) -> Tensor", method=False, records=True)
native(f"arange.start_step(Scalar start, Scalar end, Scalar step, {OUT}) -> Tensor", method=False, records=True)
native(f"range(Scalar start, Scalar end, Scalar step=1, {OUT}) -> Tensor", method=False, records=True,
       doc="As arange, with end included; deprecated by PyTorch.")  # fmt: skip
native(f"linspace(Scalar start, Scalar end, int steps, {OUT}) -> Tensor", method=False, records=True,
       doc="""Evenly spaced values from start to end, both included.

       >>> import rushlight as torch
       >>> torch.linspace(0, 1, 5)
       tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
       """)  # fmt: skip
native(f"linspace.tensors(Operand start, Operand end, int steps, {OUT}) -> Tensor", method=False, records=True)
native(f"logspace(Scalar start, Scalar end, int steps, float base=10.0, {OUT}) -> Tensor", method=False, records=True,
       doc="base ** x for x evenly spaced from start to end.")  # fmt: skip
native(f"logspace.tensors(Operand start, Operand end, int steps, float base=10.0, {OUT}) -> Tensor", method=False, records=True)
native(f"eye(int n, {OUT}) -> Tensor", method=False, records=True, doc="The identity matrix, n by n or n by m.")
native(f"eye.m(int n, int m, {OUT}) -> Tensor", method=False, records=True)
TRIANGLE = "int row, int col, int offset=0, *, dtype? dtype=None, layout? layout=None, device? device=None, bool? pin_memory=False"
native(f"tril_indices({TRIANGLE}) -> Tensor", method=False, doc="Rows and columns of the lower triangle of a row by col matrix.")
native(f"triu_indices({TRIANGLE}) -> Tensor", method=False, doc="Rows and columns of the upper triangle of a row by col matrix.")

# ---------------------------------------------------------------- complex numbers

native("complex(Tensor real, Tensor imag) -> Tensor", method=False, out="exact",
       derivative={"real": "sum_to(real(grad), real.shape)", "imag": "sum_to(imag(grad), imag.shape)"},
       doc="real + 1j * imag, elementwise.")  # fmt: skip
native("polar(Tensor abs, Tensor angle) -> Tensor", method=False, out="exact",
       derivative={"abs": "sum_to(real(conj(grad) * sgn(result)), abs.shape)",
                   "angle": "sum_to(-imag(conj(grad) * result), angle.shape)"},
       doc="abs * exp(1j * angle), elementwise.")  # fmt: skip

# ---------------------------------------------------------------- from data

DATA = "*, dtype? dtype=None, device? device=None, bool? pin_memory=False, bool requires_grad=False"
native(f"tensor(object data, {DATA}) -> Tensor", method=False,
       doc="""A tensor with a copy of data: a number, nested sequences of numbers, an array.

       The dtype is that of the array, or follows from the numbers: float32 (the default dtype), int64, bool, complex64.
       ValueError where sequences differ in length.

       >>> import rushlight as torch
       >>> torch.tensor([[1, 2], [3, 4]])
       tensor([[1, 2],
               [3, 4]])
       >>> torch.tensor([1.0, 2.0], requires_grad=True)
       tensor([1., 2.], requires_grad=True)
       """)  # fmt: skip
native("as_tensor(object data, dtype? dtype=None, device? device=None) -> Tensor", method=False,
       doc="As tensor(), but tensors and NumPy arrays of the right dtype share their memory.")  # fmt: skip
native("asarray(object obj, *, dtype? dtype=None, device? device=None, bool? copy=None, bool requires_grad=False) -> Tensor",
       method=False, doc="A tensor that shares the memory of obj where it can, or must (copy=False), or must not (copy=True).")  # fmt: skip
native(f"new_tensor(Tensor input, object data, {DATA}) -> Tensor", function=False, doc="A copy of data, with the dtype and device of self.")
native("scalar_tensor(Scalar s, *, dtype? dtype=None, layout? layout=None, device? device=None, bool? pin_memory=False, "
       "bool requires_grad=False) -> Tensor", method=False, doc="A number as a tensor without dimensions.")  # fmt: skip
native("from_numpy(object ndarray) -> Tensor", method=False, doc="""A tensor over the memory of a NumPy array.

       A change of one shows in the other.

       >>> import rushlight as torch
       >>> import numpy
       >>> a = numpy.zeros(2)
       >>> torch.from_numpy(a)[0] = 5
       >>> a
       array([5., 0.])
       """)
native("frombuffer(object buffer, *, dtype dtype, int count=-1, int offset=0, bool requires_grad=False) -> Tensor", method=False,
       doc="A tensor over the memory of an object with Python's buffer protocol.")  # fmt: skip
native("from_dlpack(object ext_tensor, *, device? device=None, bool? copy=None) -> Tensor", method=False,
       doc="A tensor over the memory of another library's tensor, by way of DLPack.")  # fmt: skip
native("to_dlpack(Tensor tensor) -> object", method=False, doc="A DLPack capsule over the memory of a tensor.")

# ---------------------------------------------------------------- another dtype or device

for name in ("float", "double", "half", "bfloat16", "int", "long", "short", "char", "byte", "bool", "cfloat", "cdouble"):
    native(f"{name}(Tensor input, memory_format? memory_format=None) -> Tensor", function=False, doc="The tensor in another dtype.")
native("cpu(Tensor input, memory_format? memory_format=None) -> Tensor", function=False, doc="The tensor on the CPU.")
native("type_as(Tensor input, Tensor other) -> Tensor", function=False, doc="The tensor in the dtype of other.")
native("type(Tensor input, object? dtype=None, bool non_blocking=False) -> object", function=False,
       doc="The tensor in another dtype; without one, the name of its type.")  # fmt: skip

native("is_floating_point(Tensor input) -> object", doc="Whether the dtype is a floating-point one.")
native("is_complex(Tensor input) -> object", doc="Whether the dtype is a complex one.")
native("is_signed(Tensor input) -> object", doc="Whether the dtype has negative values.")
native("numel(Tensor input) -> object", method=False, doc="Number of elements.")
native("result_type.of(Operand tensor, Operand other) -> object", method=False, doc="The dtype that arithmetic on both would have.")
native("promote_types(dtype type1, dtype type2) -> object", method=False, doc="The smallest dtype that holds both.")
native("can_cast.to(dtype from_, dtype to) -> object", method=False, doc="Whether in-place arithmetic may turn one dtype into another.")

# ---------------------------------------------------------------- memory

native("get_device(Tensor input) -> object", doc="Index of the accelerator; -1 on the CPU.")
native("is_pinned(Tensor input, device? device=None) -> object", function=False, doc="Whether memory is pinned: never.")
native("pin_memory(Tensor input, device? device=None) -> Tensor", function=False, doc="Raises: there is no device to pin memory for.")
native("share_memory_(Tensor input) -> Tensor", function=False,
       doc="Moves the memory to where processes forked later see the same; RuntimeError while views of it exist.")  # fmt: skip
native("is_shared(Tensor input) -> object", function=False, doc="Whether the memory is shared with other processes.")
native("set_(Tensor input, object? source=None, int storage_offset=0, int[]? size=None, int[]? stride=None) -> Tensor", function=False,
       doc="Makes self a window on the memory of a tensor or storage.")  # fmt: skip
native("resize_(Tensor input, int[] size, *, memory_format? memory_format=None) -> Tensor", function=False,
       doc="Gives self another size; new elements are uninitialised.")  # fmt: skip
native("resize_as_(Tensor input, Tensor the_template, *, memory_format? memory_format=None) -> Tensor",
       doc="Gives self the size of another tensor.")  # fmt: skip


@python("empty_permuted(int[] size, int[] physical_layout, *, dtype? dtype=None, layout? layout=None, device? device=None, "
        "bool? pin_memory=False, bool? requires_grad=False) -> Tensor", method=False,
        doc="empty(size) whose dimensions lie in memory in the order physical_layout, outermost first.")  # fmt: skip
def empty_permuted(size, physical_layout, dtype, layout, device, pin_memory, requires_grad):
    from rushlight import _C

    if sorted(physical_layout) != list(range(len(size))):
        raise RuntimeError("Number of dimensions in size does not match the length of the physical_layout; i.e. "
                           f"len(size) = {len(size)} is not equal to len(physical_layout) = {len(physical_layout)}")  # fmt: skip
    raw = _C.empty([size[d] for d in physical_layout], dtype=dtype, device=device)
    places = [physical_layout.index(d) for d in range(len(size))]
    return raw.permute(places).requires_grad_(bool(requires_grad))


@python("module_load(Tensor input, Tensor other, bool assign=False) -> Tensor", function=False,
        doc="What load_state_dict() puts into a parameter: other itself with assign, else this tensor overwritten by it.")  # fmt: skip
def module_load(input, other, assign):
    return other.detach() if assign else input.copy_(other).detach()
