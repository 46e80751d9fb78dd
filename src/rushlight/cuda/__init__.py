"""`torch.cuda` on a machine without CUDA: questions are answered, commands that need a GPU raise as PyTorch's do.

>>> import rushlight as torch
>>> torch.device("cuda" if torch.cuda.is_available() else "cpu")
device(type='cpu')
"""

from __future__ import annotations

from rushlight import _C
from rushlight._hints import hinted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType, TracebackType
    from typing import Any, NoReturn

has_half = False
has_magma = False
default_generators: tuple = ()


class DeferredCudaCallError(Exception):
    """A call that waited for CUDA to start has failed; never raised here."""


def _no_cuda(*args: Any, **kwargs: Any) -> NoReturn:
    raise hinted(AssertionError("Torch not compiled with CUDA enabled"), "rushlight computes on the CPU only")


# What reads or commands a device.
init = current_device = current_stream = default_stream = synchronize = set_stream = set_device = _no_cuda
get_device_name = get_device_capability = get_device_properties = can_device_access_peer = cudart = _no_cuda
mem_get_info = ipc_collect = utilization = temperature = power_draw = clock_rate = memory_usage = _no_cuda
get_rng_state = initial_seed = make_graphed_callables = list_gpu_processes = _no_cuda


def is_available() -> bool:
    """False: rushlight computes on the CPU."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False: there is no device to support it."""
    return False


def is_tf32_supported() -> bool:
    """False."""
    return False


def is_current_stream_capturing() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def get_arch_list() -> list[str]:
    """No architectures."""
    return []


def get_gencode_flags() -> str:
    """No flags."""
    return ""


# Seeding, cleaning and asking for totals are harmless without a device, and PyTorch lets them pass.


def manual_seed(seed: int) -> None:
    """Nothing to seed; `torch.manual_seed` seeds the CPU."""
    int(seed)


def manual_seed_all(seed: int) -> None:
    """Nothing to seed; `torch.manual_seed` seeds the CPU."""
    int(seed)


def seed() -> None:
    """Nothing to seed."""


seed_all = seed


def get_rng_state_all() -> list:
    """No devices, no states."""
    return []


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Nothing to set."""


def set_rng_state_all(new_states: Any) -> None:
    """Nothing to set."""


def empty_cache() -> None:
    """Gives the memory that rushlight keeps for the next tensors back to the system: there is only the CPU's."""
    _C._empty_cache()


def _no_bytes(device: Any = None) -> int:
    """0 bytes: there is no device."""
    return 0


memory_allocated = max_memory_allocated = memory_reserved = max_memory_reserved = _no_bytes
memory_cached = max_memory_cached = _no_bytes


def _nothing_to_reset(device: Any = None) -> None:
    """There are no statistics."""


reset_peak_memory_stats = reset_max_memory_allocated = reset_max_memory_cached = _nothing_to_reset
reset_accumulated_memory_stats = _nothing_to_reset


def memory_stats(device: Any = None) -> dict[str, int]:
    """No statistics."""
    from _collections import OrderedDict

    return OrderedDict()


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """An empty summary; PyTorch raises KeyError here, which helps nobody."""
    return ""


class device:
    """`with torch.cuda.device(i)`: can be made, and entered only where it names no device."""

    def __init__(self, device: Any) -> None:
        index = getattr(device, "index", device)
        self.idx = -1 if index is None else index

    def __enter__(self) -> None:
        if isinstance(self.idx, int) and self.idx < 0:
            return
        raise RuntimeError("PyTorch was compiled without CUDA support")

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> bool:
        return False


class device_of(device):
    """`with torch.cuda.device_of(tensor)`: does nothing for a tensor on the CPU."""

    def __init__(self, obj: Any) -> None:
        super().__init__(-1)


class StreamContext:
    """`with torch.cuda.stream(s)`: does nothing when there is no stream."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        if self.stream is not None:
            _no_cuda()

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        pass


def stream(stream: Any) -> StreamContext:
    """The context that selects a stream; None selects nothing."""
    return StreamContext(stream)


class Stream:
    """A queue of work on a device; cannot be made here."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("torch.cuda.Stream requires CUDA support")


ExternalStream = Stream


def _dummy(name: str) -> type:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(f"Tried to instantiate dummy base class {name}")

    return type(name, (), {"__init__": __init__, "__module__": __name__, "__doc__": "Needs CUDA: cannot be made."})


Event = _dummy("Event")
CUDAGraph = _dummy("CUDAGraph")
graph = _dummy("graph")
MemPool = _dummy("MemPool")


class _NoTensorType(type):
    def __call__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(f"type torch.cuda.{cls.__name__} not available. Torch not compiled with CUDA enabled.")

    def __instancecheck__(cls, instance: Any) -> bool:
        return False


def _tensor_types() -> dict[str, type]:
    kinds = "Double Float Half BFloat16 Long Int Short Char Byte Bool".split()
    return {
        f"{kind}{form}": _NoTensorType(f"{kind}{form}", (), {"__module__": __name__})
        for kind in kinds
        for form in ("Tensor", "Storage")
    }


globals().update(_tensor_types())


def __getattr__(name: str) -> Any:
    if name in ("random", "memory"):  # PyTorch's files; their functions are all here
        import sys

        return sys.modules[__name__]
    if name == "amp":
        __import__(f"{__name__}.amp")
        return globals()["amp"]
    if name == "nvtx":
        return _nvtx()
    if name in ("OutOfMemoryError", "AcceleratorError"):
        value = type(name, (RuntimeError,), {"__module__": "torch", "__doc__": "Raised by devices; never here."})
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _nvtx() -> ModuleType:
    from types import ModuleType

    def absent(*args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError("NVTX functions not installed. Are you sure you have a CUDA build?")

    module = ModuleType(f"{__name__}.nvtx", "Marks for NVIDIA's profiler: each raises, as in PyTorch without CUDA.")
    for name in ("range_push", "range_pop", "range_start", "range_end", "mark", "range"):
        setattr(module, name, absent)
    globals()["nvtx"] = module
    return module
