/* dtype.c -- what the dtypes are, and PyTorch's promotion between them. */
#include "rl.h"

const DTypeInfo rl_dtypes[RL_NDTYPES] = {
    /*              name            legacy        size float  cplx   sign   integ  code */
    [RL_BOOL]    = {"bool",         "Bool",          1, false, false, false, false, '?'},
    [RL_U8]      = {"uint8",        "Byte",          1, false, false, false, true,  'B'},
    [RL_I8]      = {"int8",         "Char",          1, false, false, true,  true,  'b'},
    [RL_I16]     = {"int16",        "Short",         2, false, false, true,  true,  'h'},
    [RL_I32]     = {"int32",        "Int",           4, false, false, true,  true,  'i'},
    [RL_I64]     = {"int64",        "Long",          8, false, false, true,  true,  'q'},
    [RL_U16]     = {"uint16",       "UInt16",        2, false, false, false, true,  'H'},
    [RL_U32]     = {"uint32",       "UInt32",        4, false, false, false, true,  'I'},
    [RL_U64]     = {"uint64",       "UInt64",        8, false, false, false, true,  'Q'},
    [RL_F16]     = {"float16",      "Half",          2, true,  false, true,  false, 'e'},
    [RL_BF16]    = {"bfloat16",     "BFloat16",      2, true,  false, true,  false, 0},
    [RL_F32]     = {"float32",      "Float",         4, true,  false, true,  false, 'f'},
    [RL_F64]     = {"float64",      "Double",        8, true,  false, true,  false, 'd'},
    [RL_C32]     = {"complex32",    "ComplexHalf",   4, false, true,  true,  false, 0},
    [RL_C64]     = {"complex64",    "ComplexFloat",  8, false, true,  true,  false, 'F'},
    [RL_C128]    = {"complex128",   "ComplexDouble", 16, false, true, true,  false, 'D'},
    [RL_F8E4M3FN]   = {"float8_e4m3fn",   "Float8_e4m3fn",   1, true, false, true, false, 0},
    [RL_F8E5M2]     = {"float8_e5m2",     "Float8_e5m2",     1, true, false, true, false, 0},
    [RL_F8E4M3FNUZ] = {"float8_e4m3fnuz", "Float8_e4m3fnuz", 1, true, false, true, false, 0},
    [RL_F8E5M2FNUZ] = {"float8_e5m2fnuz", "Float8_e5m2fnuz", 1, true, false, true, false, 0},
    [RL_F8E8M0FNU]  = {"float8_e8m0fnu",  "Float8_e8m0fnu",  1, true, false, true, false, 0},
};

RLDType rl_default_dtype = RL_F32;

RLDType rl_to_real(RLDType dt) {
    return dt == RL_C64 ? RL_F32 : dt == RL_C128 ? RL_F64 : dt == RL_C32 ? RL_F16 : dt;
}

RLDType rl_to_complex(RLDType dt) {
    switch (dt) {
        case RL_F64: case RL_C128: return RL_C128;
        case RL_F16: case RL_C32: return RL_C32;
        case RL_F32: case RL_BF16: case RL_C64: return RL_C64;
        default: return rl_default_complex();
    }
}

RLDType rl_default_complex(void) {
    return rl_default_dtype == RL_F64 ? RL_C128 : rl_default_dtype == RL_F16 ? RL_C32 : RL_C64;
}

/* The join in PyTorch's lattice: bool < integers < floats < complex; uint8 with a signed type goes
 * one size up; the two 16-bit floats meet in float32; the wide unsigned types meet integers in
 * the signed one only where PyTorch defines it (else it raises; see result types in elementwise.c). */
RLDType rl_promote(RLDType a, RLDType b) {
    if (a == b) return a;
    const DTypeInfo *x = &rl_dtypes[a], *y = &rl_dtypes[b];
    if (x->is_complex || y->is_complex) {
        if (!x->is_complex) { RLDType t = a; a = b; b = t; x = &rl_dtypes[a]; y = &rl_dtypes[b]; }
        if (a == RL_C128 || b == RL_C128 || b == RL_F64) return RL_C128;
        if (a == RL_C32 && (b == RL_C32 || b == RL_F16 || !RL_IS_INEXACT(b))) return RL_C32;
        return RL_C64;
    }
    if (x->is_floating || y->is_floating) {
        if (!x->is_floating) return b;
        if (!y->is_floating) return a;
        if (a == RL_F64 || b == RL_F64) return RL_F64;
        if (a == RL_F32 || b == RL_F32) return RL_F32;
        if (x->itemsize == 1) return b;
        if (y->itemsize == 1) return a;
        return RL_F32; /* float16 with bfloat16 */
    }
    if (a == RL_BOOL) return b;
    if (b == RL_BOOL) return a;
    if (x->is_signed == y->is_signed) return x->itemsize >= y->itemsize ? a : b;
    const DTypeInfo *u = x->is_signed ? y : x, *s = x->is_signed ? x : y;
    RLDType sd = x->is_signed ? a : b;
    if (s->itemsize > u->itemsize) return sd;
    return u->itemsize == 1 ? RL_I16 : u->itemsize == 2 ? RL_I32 : RL_I64;
}

bool rl_can_cast(RLDType from, RLDType to) {
    const DTypeInfo *f = &rl_dtypes[from], *t = &rl_dtypes[to];
    if (f->is_complex && !t->is_complex) return false;
    if (RL_IS_INEXACT(from) && RL_IS_INTEGRAL(to)) return false;
    if (from != RL_BOOL && to == RL_BOOL) return false;
    return true;
}
