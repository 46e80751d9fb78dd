/* isa.h -- which vector instructions a file is compiled for, and which the processor has.
 *
 * A file that pays for wide vectors is compiled once for each level with -DRL_ISA=<level>; its public
 * symbols carry the level's name through RL_ISA_NAME, and a dispatcher picks by rl_isa_best().
 *     x86-64:  base (SSE2), avx2 (-mavx2 -mfma), avx512 (avx2's and -mavx512f -mavx512bw -mavx512dq -mavx512vl)
 *     others:  base (on AArch64 that is NEON)
 */
#ifndef RL_ISA_H
#define RL_ISA_H

#ifndef RL_ISA
#define RL_ISA base
#endif
#define RL_ISA_PASTE_(x, isa) x##_##isa
#define RL_ISA_PASTE(x, isa) RL_ISA_PASTE_(x, isa)
#define RL_ISA_NAME(x) RL_ISA_PASTE(x, RL_ISA)

/* 1 where every dtype is compiled, 0 in the wider levels, which may leave rare ones to it. */
#define RL_IS_base 1
#define RL_ISA_IS_BASE RL_ISA_PASTE(RL_IS, RL_ISA)

typedef enum { RL_ISA_BASE, RL_ISA_AVX2, RL_ISA_AVX512 } RLIsa;

#if defined(__x86_64__) || defined(_M_X64)
#include <cpuid.h>

/* Asked of the processor itself: __builtin_cpu_supports needs run-time support that zig cc does not link.
 * The operating system must save the wide registers (XCR0) or they cannot be used. */
static inline RLIsa rl_isa_ask(void) {
    unsigned a, b, c, d, xcr0, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX) || !(c & bit_FMA) || !(c & bit_F16C)) return RL_ISA_BASE;
    __asm__("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
    if ((xcr0 & 0x6) != 0x6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2)) return RL_ISA_BASE;
    const unsigned avx512 = 1u << 16 /* F */ | 1u << 17 /* DQ */ | 1u << 30 /* BW */ | 1u << 31 /* VL */;
    return (xcr0 & 0xe6) == 0xe6 && (b & avx512) == avx512 ? RL_ISA_AVX512 : RL_ISA_AVX2;
}
/* Asked once a file: on a virtual machine cpuid is a trip to the hypervisor. */
static inline RLIsa rl_isa_best(void) {
    static int known = -1;
    if (known < 0) known = (int)rl_isa_ask();
    return (RLIsa)known;
}
#else
static inline RLIsa rl_isa_best(void) { return RL_ISA_BASE; }
#endif

#endif
