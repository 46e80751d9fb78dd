/* limits.c -- what this machine can do at most: multiply-adds a second, bytes a second.
 *
 *     limits THREADS  ->  "flops64 flops32 memory level3 level2", in operations and bytes a second
 *
 * Each figure is the best of many short windows: other processes can only lower it. Each thread has
 * its own arrays; all start a window together.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WINDOWS = 40, CHAINS = 12, ROUNDS = 200000, WIDTH = 64 };
enum { KINDS = 5 };
/* Floats in an array, of which a triad takes three: memory, a shared cache, a core's own cache. */
enum { LARGE = 1 << 24, MIDDLE = 1 << 19, SMALL = 1 << 16 };

typedef float floats __attribute__((vector_size(WIDTH)));
typedef double doubles __attribute__((vector_size(WIDTH)));

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* Twelve independent chains hide the latency of a multiply-add (4 cycles, 2 a cycle) with room to spare. They
 * start from different values: equal ones would be computed once. */
#define DEFINE_ARITHMETIC(name, vec)                                                    \
    static void name(volatile float *sink)                                              \
    {                                                                                   \
        vec sum[CHAINS], x = {0}, y;                                                    \
        x += 0.5f;                                                                      \
        y = x;                                                                          \
        for (int i = 0; i < CHAINS; i++) sum[i] = x + (float)i;                         \
        for (long r = 0; r < ROUNDS; r++) {                                             \
            for (int i = 0; i < CHAINS; i++) sum[i] = sum[i] * x + y;                   \
            __asm__ volatile("" : "+v"(x), "+v"(y)); /* the loop must not be shortened */ \
        }                                                                               \
        for (int i = 1; i < CHAINS; i++) sum[0] += sum[i];                              \
        *sink = (float)sum[0][0];                                                       \
    }
DEFINE_ARITHMETIC(arithmetic32, floats)
DEFINE_ARITHMETIC(arithmetic64, doubles)

static void triad(float *restrict a, const float *restrict b, const float *restrict c, long n)
{
    for (long i = 0; i < n; i++) a[i] = b[i] + 1.5f * c[i];
}

static pthread_barrier_t gate;
static int threads;
static double best[KINDS];

static void window(int kind, float **arrays, volatile float *sink)
{
    if (kind == 0) arithmetic64(sink);
    else if (kind == 1) arithmetic32(sink);
    else {
        long n = kind == 2 ? LARGE : kind == 3 ? MIDDLE : SMALL;
        for (long done = 0; done < (kind == 2 ? 1 : 100L * SMALL); done += n) {
            triad(arrays[0], arrays[1], arrays[2], n);
            __asm__ volatile("" ::: "memory");
        }
    }
}

static void *work(void *first)
{
    static const double amount[] = {
        2.0 * ROUNDS * CHAINS * WIDTH / 8, 2.0 * ROUNDS * CHAINS * WIDTH / 4, /* operations */
        12.0 * LARGE, 12.0 * 13 * MIDDLE, 12.0 * 100 * SMALL,                 /* bytes */
    };
    volatile float sink = 0;
    float *arrays[3];
    for (int k = 0; k < 3; k++) {
        arrays[k] = aligned_alloc(64, (size_t)LARGE * sizeof(float));
        if (!arrays[k]) abort();
        for (long i = 0; i < LARGE; i++) arrays[k][i] = (float)k;
    }
    for (int w = 0; w < WINDOWS; w++)
        for (int kind = 0; kind < KINDS; kind++) {
            pthread_barrier_wait(&gate);
            double started = now();
            window(kind, arrays, &sink);
            pthread_barrier_wait(&gate);
            double rate = threads * amount[kind] / (now() - started);
            if (first && rate > best[kind]) best[kind] = rate;
        }
    return NULL;
}

int main(int argc, char **argv)
{
    threads = argc > 1 ? atoi(argv[1]) : 1;
    if (threads < 1 || threads > 256) return 2;
    pthread_t ids[256];
    pthread_barrier_init(&gate, NULL, (unsigned)threads);
    for (int i = 1; i < threads; i++)
        if (pthread_create(&ids[i], NULL, work, NULL)) return 1;
    work(&threads);
    for (int i = 1; i < threads; i++) pthread_join(ids[i], NULL);
    printf("%g %g %g %g %g\n", best[0], best[1], best[2], best[3], best[4]);
}
