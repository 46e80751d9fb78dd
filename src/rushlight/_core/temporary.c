/* temporary.c -- whether an operator's operands lie on the interpreter's stack and nowhere else.
 *
 * `(a * b) + c` leaves a * b to nobody: the sum may be written over it.  A reference count of one does not prove that,
 * since C code may hold the only reference and go on using it (an element of an object array, a local of a Cython
 * function).  From 3.14 Python answers the question.  Before, an operand with one reference is the interpreter's own
 * if the interpreter's loop has called the operator with nothing in between, which the return addresses tell: NumPy
 * asks in the same way (numpy/_core/src/multiarray/temp_elide.c).
 */
#define _GNU_SOURCE
#include "rl.h"

#if PY_VERSION_HEX < 0x030E0000 && defined(__GLIBC__)
#include <dlfcn.h>
#include <elf.h>
#include <execinfo.h>
#include <link.h>

#define DEPTH 8
#define KNOWN 16

typedef struct { const void *at[KNOWN]; int n; } Addresses;

static bool known(const Addresses *set, const void *address) {
    for (int i = 0; i < set->n; i++) if (set->at[i] == address) return true;
    return false;
}

static void learn(Addresses *set, const void *address) {
    if (set->n < KNOWN) set->at[set->n++] = address;
}

static bool inside(const void *address, const void *function) {
    Dl_info info;
    const ElfW(Sym) *symbol = NULL;
    return dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol && info.dli_saddr == function &&
           (const char *)address < (const char *)function + symbol->st_size;
}

static bool in_operator(const void *address) {
    static Addresses found;
    if (known(&found, address)) return true;
    void *const operators[] = {(void *)PyNumber_Add, (void *)PyNumber_Subtract, (void *)PyNumber_Multiply,
                               (void *)PyNumber_TrueDivide, (void *)PyNumber_Negative};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (inside(address, operators[i])) {
            learn(&found, address);
            return true;
        }
    return false;
}

static bool in_loop(const void *address) {
    static Addresses found;
    if (known(&found, address)) return true;
    if (!inside(address, (void *)_PyEval_EvalFrameDefault)) return false;
    learn(&found, address);
    return true;
}

static bool ours(const void *address) {
    static const void *base;
    Dl_info info;
    if (!base && dladdr((void *)rl_called_by_interpreter, &info)) base = info.dli_fbase;
    return dladdr(address, &info) && info.dli_fbase == base;
}

/* Our frames, then the operator (perhaps called through a static function of Python's), then the loop. */
bool rl_called_by_interpreter(void) {
    void *frames[DEPTH];
    const int n = backtrace(frames, DEPTH);
    int i = 0;
    while (i < n && !in_operator(frames[i])) {
        if (i > 0 && !ours(frames[i]) && !(i + 1 < n && in_operator(frames[i + 1]))) return false;
        i++;
    }
    return i + 1 < n && in_loop(frames[i + 1]);
}

#else

bool rl_called_by_interpreter(void) { return false; }

#endif
