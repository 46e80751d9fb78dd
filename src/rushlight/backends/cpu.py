"""`torch.backends.cpu`: what the processor offers."""

from __future__ import annotations


def get_cpu_capability() -> str:
    """The widest vector instructions there are: "AVX512", "AVX2" or "DEFAULT".

    Read from /proc/cpuinfo, so "DEFAULT" wherever there is none. What the kernels use is their own choice.
    """
    try:
        with open("/proc/cpuinfo") as file:
            flags = set(next((line for line in file if line.startswith("flags")), "").split())
    except OSError:
        return "DEFAULT"
    if {"avx512f", "avx512bw", "avx512vl", "avx512dq", "fma"} <= flags:
        return "AVX512"
    return "AVX2" if {"avx2", "fma"} <= flags else "DEFAULT"
