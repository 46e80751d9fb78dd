"""A pickle reader that can build tensors and plain containers, and nothing else.

The pickle format is a small stack machine (the opcodes are described in Python's `pickletools`). This one knows the
opcodes that `save` and PyTorch write. It calls only what `names.resolver` yields, sets state only on what it made
itself, and takes memory in proportion to the file: no length or index in it is believed before it is checked.
"""

from __future__ import annotations

from struct import error as struct_error, unpack

from rushlight import _C, _utils
from rushlight._io import names, numpy_forms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any


class Unpickler:
    """Reads one object from a seekable binary file; `persistent_load` turns the id of a storage into the storage."""

    def __init__(self, file: IO[bytes], persistent_load: Callable[[Any], Any], encoding: str = "utf-8") -> None:
        self._file = file
        self._persistent_load = persistent_load
        self._encoding = encoding
        self._find = names.resolver()
        # By identity: equality of a stranger's object is not to be trusted.
        known = [*names.table().values(), *names.declared().values()]
        self._callables = {id(v) for v in known if callable(v) and v is not _C.Tensor and v is not _C.Parameter}
        self._user_types = {v for v in names.declared().values() if isinstance(v, type)}

    def load(self) -> Any:
        from _pickle import UnpicklingError

        self._stack: list = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._depths: dict[int, int] = {}  # of the tuples made, by id
        try:
            while True:
                code = self._read(1)
                if code == b".":
                    return self._stack.pop()
                step = _STEPS.get(code)
                if step is None:
                    raise UnpicklingError(f"Unsupported operand {code[0]}")
                step(self)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError, struct_error) as reason:
            raise UnpicklingError(f"the pickle is damaged ({type(reason).__name__}: {reason})") from reason

    # ------------------------------------------------------------ the machine

    def _read(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise EOFError("Ran out of input")
        return data

    def _line(self) -> str:
        line = self._file.readline()
        if line[-1:] != b"\n":
            raise EOFError("Ran out of input")
        return line[:-1].decode()

    def _pop_to_mark(self) -> list:
        start = self._marks.pop()
        items = self._stack[start:]
        if start > len(self._stack):
            raise IndexError("nothing above the mark")
        del self._stack[start:]
        return items

    def _push_global(self, module: str, name: str) -> None:
        self._stack.append(self._find(*names.modern(module, name)))

    def _global(self) -> None:
        module = self._line()
        self._push_global(module, self._line())

    def _stack_global(self) -> None:
        name = self._stack.pop()
        self._push_global(self._stack.pop(), name)

    def _reduce(self) -> None:
        args = self._stack.pop()
        function = self._stack[-1]
        called = [function, args[0]] if function is _utils._rebuild_from_type_v2 else [function]  # it calls that one
        for each in called:
            if id(each) not in self._callables:
                self._refuse(f"Trying to call reduce for unrecognized function {each}")
        self._stack[-1] = function(*args)

    def _new_object(self) -> None:
        args = self._stack.pop()
        cls = self._stack[-1]
        if cls is _C.Parameter and len(args) <= 2 and all(isinstance(a, (bool, _C.Tensor)) for a in args):
            self._stack[-1] = cls(*args)
        elif cls in self._user_types or cls in (set, frozenset, complex, _C.Size):
            self._stack[-1] = cls.__new__(cls, *args)
        else:
            self._refuse(
                "Can only create new object for nn.Parameter or classes allowlisted "
                f"via `add_safe_globals` but got {cls}"
            )

    def _build(self) -> None:
        from _collections import OrderedDict

        state = self._stack.pop()
        target = self._stack[-1]
        kind = type(target)
        if kind in (numpy_forms.Array, numpy_forms.DType):
            real = target.restore(state)
            self._stack[-1] = real
            if real is not target:
                self._memo = {k: real if v is target else v for k, v in self._memo.items()}
        elif kind is OrderedDict:
            target.__dict__.update(state)
        elif kind in self._user_types:
            if hasattr(target, "__setstate__"):
                target.__setstate__(state)
            else:
                attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
                if attributes:
                    target.__dict__.update(attributes)
                for name, value in (slots or {}).items():
                    setattr(target, name, value)
        else:
            self._refuse(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted "
                f"via `add_safe_globals`, but got {kind}"
            )

    def _refuse(self, message: str) -> None:
        from _pickle import UnpicklingError

        raise UnpicklingError(message)

    def _persistent(self) -> None:
        self._stack.append(self._persistent_load(self._stack.pop()))

    def _append(self, items: list) -> None:
        target = self._stack[-1]
        if type(target) is not list:
            self._refuse(f"Can only append to lists, but got {type(target)}")
        target.extend(items)

    def _add(self) -> None:
        items = self._pop_to_mark()
        if type(self._stack[-1]) is not set:
            self._refuse(f"Can only add to sets, but got {type(self._stack[-1])}")
        self._stack[-1].update(items)

    def _set_items(self, items: list) -> None:
        target = self._stack[-1]
        if type(target).__name__ not in ("dict", "OrderedDict", "Counter") or not isinstance(target, dict):
            self._refuse(
                f"Can only SETITEMS for dict, collections.OrderedDict, collections.Counter, but got {type(target)}"
            )
        if len(items) % 2:
            raise ValueError("a key without a value")
        for i in range(0, len(items), 2):
            target[items[i]] = items[i + 1]

    def _pop_last(self, count: int) -> list:
        if len(self._stack) < count:
            raise IndexError("stack underflow")
        items = self._stack[-count:]
        del self._stack[-count:]
        return items

    def _tuple(self, items: list) -> None:
        # Hashing a tuple recurses on the C stack, unchecked: a key of a million levels would end the process.
        depth = 1 + max([self._depths.get(id(item), 0) for item in items if type(item) is tuple], default=0)
        if depth > 500:
            self._refuse("tuples are nested too deeply")
        made = tuple(items)
        self._depths[id(made)] = depth
        self._stack.append(made)

    def _text(self, length: int) -> None:
        self._stack.append(str(self._read(length), "utf-8", "surrogatepass"))

    def _old_text(self, length: int) -> None:
        data = self._read(length)
        self._stack.append(data if self._encoding == "bytes" else data.decode(self._encoding))

    def _number(self, length: int) -> None:
        self._stack.append(int.from_bytes(self._read(length), "little", signed=True))


def _unpacking(form: str, length: int) -> Callable[[Unpickler], int]:
    return lambda self: unpack(form, self._read(length))[0]


_u8, _u16, _u32, _u64 = (_unpacking(form, n) for form, n in (("B", 1), ("<H", 2), ("<I", 4), ("<Q", 8)))


def _push(make: Callable[[Unpickler], Any]) -> Callable[[Unpickler], None]:
    return lambda self: self._stack.append(make(self))


def _get(index: Callable[[Unpickler], int]) -> Callable[[Unpickler], None]:
    return lambda self: self._stack.append(self._memo[index(self)])


def _put(index: Callable[[Unpickler], int]) -> Callable[[Unpickler], None]:
    return lambda self: self._memo.__setitem__(index(self), self._stack[-1])


_STEPS: dict[bytes, Callable[[Unpickler], Any]] = {
    b"\x80": lambda self: self._read(1),  # PROTO
    b"\x95": lambda self: self._read(8),  # FRAME
    b"(": lambda self: self._marks.append(len(self._stack)),  # MARK
    b"N": _push(lambda self: None),
    b"\x88": _push(lambda self: True),
    b"\x89": _push(lambda self: False),
    b")": _push(lambda self: ()),
    b"]": _push(lambda self: []),
    b"}": _push(lambda self: {}),
    b"\x8f": _push(lambda self: set()),
    b"J": _push(_unpacking("<i", 4)),  # BININT
    b"K": _push(_u8),
    b"M": _push(_u16),
    b"G": _push(_unpacking(">d", 8)),  # BINFLOAT
    b"\x8a": lambda self: self._number(_u8(self)),  # LONG1
    b"\x8b": lambda self: self._number(_u32(self)),  # LONG4
    b"X": lambda self: self._text(_u32(self)),  # BINUNICODE
    b"\x8c": lambda self: self._text(_u8(self)),
    b"U": lambda self: self._old_text(_u8(self)),  # SHORT_BINSTRING
    b"T": lambda self: self._old_text(_u32(self)),  # BINSTRING
    b"C": _push(lambda self: self._read(_u8(self))),  # SHORT_BINBYTES
    b"B": _push(lambda self: self._read(_u32(self))),
    b"\x8e": _push(lambda self: self._read(_u64(self))),
    b"\x96": _push(lambda self: bytearray(self._read(_u64(self)))),
    b"t": lambda self: self._tuple(self._pop_to_mark()),  # TUPLE
    b"\x85": lambda self: self._tuple(self._pop_last(1)),
    b"\x86": lambda self: self._tuple(self._pop_last(2)),
    b"\x87": lambda self: self._tuple(self._pop_last(3)),
    b"\x91": _push(lambda self: frozenset(self._pop_to_mark())),
    b"a": lambda self: self._append(self._pop_last(1)),  # APPEND
    b"e": lambda self: self._append(self._pop_to_mark()),
    b"s": lambda self: self._set_items(self._pop_last(2)),  # SETITEM
    b"u": lambda self: self._set_items(self._pop_to_mark()),
    b"\x90": Unpickler._add,
    b"h": _get(_u8),  # BINGET
    b"j": _get(_u32),
    b"q": _put(_u8),  # BINPUT
    b"r": _put(_u32),
    b"\x94": lambda self: self._memo.__setitem__(len(self._memo), self._stack[-1]),  # MEMOIZE
    b"c": Unpickler._global,
    b"\x93": Unpickler._stack_global,
    b"R": Unpickler._reduce,
    b"\x81": Unpickler._new_object,
    b"b": Unpickler._build,
    b"Q": Unpickler._persistent,
}
