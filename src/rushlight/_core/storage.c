/* storage.c -- memory: blocks with free lists by size, and the reference-counted storages over them.
 *
 * Small blocks come in bins a quarter of a power of two apart; a freed block goes back to its bin, so
 * that a training step in steady state allocates nothing from the system.  Large blocks are kept too
 * (returning pages and faulting them in again costs more than the arithmetic of an MLP step), but
 * the total that lies idle is bounded.
 */
#include "rl.h"
#include <stdlib.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif
#if RL_ASAN
#include <sanitizer/asan_interface.h>
#endif

#define ALIGN 64
#define MIN_LOG 6                              /* 64 bytes */
#define MAX_LOG 40
#define NBINS ((MAX_LOG - MIN_LOG) * 4 + 1)
#define SLAB_MOST 1024                         /* bytes: blocks up to here are cut from slabs, and stay */
#define HUGE_FROM (4u << 20)                   /* ask for huge pages from here */

typedef struct FreeBlock { struct FreeBlock *next; } FreeBlock;

static FreeBlock *bins[NBINS];
static uint32_t bin_count[NBINS];
static size_t cached_bytes, allocated_bytes;
static size_t cache_limit = (size_t)1 << 30;

/* Bin 4k+q holds blocks of 2^(k+6) * (4+q)/4 bytes. */
static inline int bin_of(size_t n) {
    if (n <= 64) return 0;
    int log = 63 - __builtin_clzll((unsigned long long)(n - 1)); /* 2^log < n <= 2^(log+1), n-1 >= 2^log */
    size_t base = (size_t)1 << log, quarter = base >> 2;
    int q = (int)((n - base + quarter - 1) / quarter);           /* 1..4 */
    return (log - MIN_LOG) * 4 + q;
}

static inline size_t bin_size(int bin) {
    size_t base = (size_t)1 << (bin / 4 + MIN_LOG);
    return base + (base >> 2) * (size_t)(bin % 4);
}

static void *system_alloc(size_t n) {
    void *p = NULL;
#if defined(_WIN32)
    p = _aligned_malloc(n, ALIGN);
#else
    if (posix_memalign(&p, n >= HUGE_FROM ? 1u << 21 : ALIGN, n) != 0) p = NULL;
#if defined(__linux__)
    if (p && n >= HUGE_FROM) madvise(p, n, MADV_HUGEPAGE);
#endif
#endif
    return p;
}

static void system_free(void *p) {
#if defined(_WIN32)
    _aligned_free(p);
#else
    free(p);
#endif
}

/* Gives idle blocks back to the system, but for the smallest, which are parts of slabs. */
void rl_memory_trim(void) {
    for (int b = 0; b < NBINS; b++) {
        if (bin_size(b) <= SLAB_MOST) continue;
        while (bins[b]) {
            FreeBlock *f = bins[b];
            bins[b] = f->next;
            system_free(f);
        }
        bin_count[b] = 0;
    }
    cached_bytes = 0;
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
}

size_t rl_memory_allocated(void) { return allocated_bytes; }

/* The smallest blocks are cut from slabs: the first of a size costs as little as the thousandth. */
static void *refill(int bin, size_t size) {
    if (size > SLAB_MOST) {
        void *p = system_alloc(size);
        if (!p) {
            rl_memory_trim();
            p = system_alloc(size);
        }
        return p;
    }
    size = (size + ALIGN - 1) / ALIGN * ALIGN;
    size_t n = 8192 / size;
    char *slab = system_alloc(n * size);
    if (!slab) return NULL;
    for (size_t i = 1; i < n; i++) {
        FreeBlock *f = (FreeBlock *)(slab + i * size);
        f->next = bins[bin];
        bins[bin] = f;
    }
    bin_count[bin] += (uint32_t)(n - 1);
    return slab;
}

/* A block is larger than what was asked for; under the sanitizer the rest of it is out of bounds. */
static inline void fence(void *block, size_t nbytes, size_t size) {
#if RL_ASAN
    ASAN_UNPOISON_MEMORY_REGION(block, size);
    ASAN_POISON_MEMORY_REGION((char *)block + nbytes, size - nbytes);
#else
    (void)block; (void)nbytes; (void)size;
#endif
}

static void *block_alloc(size_t nbytes, int *bin_out) {
    if (RL_UNLIKELY(nbytes > ((size_t)1 << (MAX_LOG - 1)))) return NULL;
    int bin = bin_of(nbytes);
    *bin_out = bin;
    FreeBlock *f = bins[bin];
    size_t size = bin_size(bin);
    allocated_bytes += size;
    if (RL_LIKELY(f != NULL)) {
        bins[bin] = f->next;
        bin_count[bin]--;
        if (size > SLAB_MOST) cached_bytes -= size;
        return f;
    }
    void *p = RL_ASAN ? system_alloc(size) : refill(bin, size);
    if (!p) allocated_bytes -= size;
    else fence(p, nbytes, size);
    return p;
}

static void block_free(void *p, int bin) {
    size_t size = bin_size(bin);
    allocated_bytes -= size;
    if (RL_ASAN) { fence(p, size, size); system_free(p); return; }
    if (size > SLAB_MOST) {
        if (RL_UNLIKELY(cached_bytes + size > cache_limit)) {
            system_free(p);
            return;
        }
        cached_bytes += size;
    }
    FreeBlock *f = p;
    f->next = bins[bin];
    bins[bin] = f;
    bin_count[bin]++;
}

void *rl_alloc(size_t nbytes) {
    int bin;
    void *p = block_alloc(nbytes ? nbytes : 1, &bin);
    if (!p) PyErr_NoMemory();
    return p;
}

void rl_dealloc(void *p, size_t nbytes) {
    if (p) block_free(p, bin_of(nbytes ? nbytes : 1));
}

/* ---------------------------------------------------------------- storages */

typedef struct Retired { struct Retired *next; void *block; int bin; } Retired;

static Storage *free_storages;

static Storage *storage_struct(void) {
    Storage *s = free_storages;
    if (RL_LIKELY(s != NULL)) {
        free_storages = (Storage *)s->data;
    } else {
        s = malloc(sizeof *s);
        if (!s) { PyErr_NoMemory(); return NULL; }
    }
    s->refs = 1;
    s->owner = NULL;
    s->release = NULL;
    s->version.refs = 0;
    s->version.value = 0;
    s->device = RL_CPU;
    s->resizable = true;
    s->retired = NULL;
    s->weak_wrapper = NULL;
    return s;
}

Storage *rl_storage_new(size_t nbytes, int device) {
    Storage *s = storage_struct();
    if (!s) return NULL;
    s->nbytes = nbytes;
    s->device = (uint8_t)device;
    if (RL_UNLIKELY(nbytes == 0 || device != RL_CPU)) {
        s->data = NULL;
        s->capacity = 0;
        return s;
    }
    int bin;
    s->data = block_alloc(nbytes, &bin);
    if (RL_UNLIKELY(!s->data)) {
        s->data = (char *)free_storages;
        free_storages = s;
        PyErr_Format(PyExc_RuntimeError, "[enforce fail at storage.c] DefaultCPUAllocator: can't allocate memory: "
                     "you tried to allocate %zu bytes. Error code 12 (Cannot allocate memory)", nbytes);
        return NULL;
    }
    s->bin = (uint8_t)bin;
    s->capacity = bin_size(bin);
    return s;
}

Storage *rl_storage_foreign(void *data, size_t nbytes, PyObject *owner) {
    Storage *s = storage_struct();
    if (!s) return NULL;
    s->nbytes = nbytes;
    s->capacity = nbytes;
    s->data = data;
    s->resizable = false;
    Py_XINCREF(owner);
    s->owner = owner;
    return s;
}

void rl_storage_free(Storage *s) {
    if (RL_UNLIKELY(s->release != NULL)) s->release(s);
    else if (RL_UNLIKELY(s->owner != NULL)) Py_DECREF(s->owner);
    else if (s->data && s->resizable) block_free(s->data, s->bin);
    while (RL_UNLIKELY(s->retired != NULL)) {
        Retired *r = s->retired;
        s->retired = r->next;
        block_free(r->block, r->bin);
        free(r);
    }
    s->data = (char *)free_storages;
    free_storages = s;
}

int rl_storage_resize(Storage *s, size_t nbytes) {
    if (nbytes <= s->capacity || s->device != RL_CPU) {
        /* what was cut off stays readable: tensors may still look at it */
        if (s->resizable && s->data && nbytes > s->nbytes) fence(s->data, nbytes, s->capacity);
        s->nbytes = nbytes;
        return 0;
    }
    if (!s->resizable) {
        PyErr_SetString(PyExc_RuntimeError, "Trying to resize storage that is not resizable");
        return -1;
    }
    int bin;
    Retired *old = s->data && s->refs > 1 ? malloc(sizeof *old) : NULL;
    char *p = block_alloc(nbytes, &bin);
    if (!p || (s->data && s->refs > 1 && !old)) {
        if (p) block_free(p, bin);
        free(old);
        PyErr_NoMemory();
        return -1;
    }
    if (s->data) {
        memcpy(p, s->data, s->nbytes);
        if (old) { /* other tensors have this address: they keep seeing the old memory */
            *old = (Retired){s->retired, s->data, s->bin};
            s->retired = old;
        } else {
            block_free(s->data, s->bin);
        }
    }
    s->data = p;
    s->bin = (uint8_t)bin;
    s->capacity = bin_size(bin);
    s->nbytes = nbytes;
    return 0;
}
