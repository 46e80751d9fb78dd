/* threads.c -- the one door to parallel loops: a pool that sleeps between jobs.
 *
 * A job is a range cut into chunks at multiples of the caller's grain.  Each thread, the caller included, begins with a
 * stretch of its own, the same one for the same range, so that a core finds in its cache what it wrote in the operation
 * before; then it takes what is left of the others' stretches, so a thread that the system has put aside holds up no
 * more than the chunk it has begun.  The boundaries depend on the range and the grain alone: digits depend neither on
 * timing nor on the number of threads.
 *
 * One job runs at a time.  A thread that finds the pool at work (another Python thread's job, or its own: a kernel may
 * call a parallel kernel) does its job alone.  Workers look for the next job for some microseconds before they sleep,
 * because the operations of a training step follow one another closely; nobody ever waits in a loop for long.
 */
#include "rl.h"
#include <stdlib.h>

#define MAX_CHUNKS 64

int rl_num_threads = 1;
bool rl_keep_gil;

static inline int64_t chunk_of(int64_t n, int64_t grain) {
    int64_t units = (n + grain - 1) / grain;
    return grain * ((units + MAX_CHUNKS - 1) / MAX_CHUNKS);
}

#ifdef _WIN32 /* no pool yet: one thread does the work */

void rl_threads_init(void) {}

void rl_parallel_for(int64_t n, int64_t grain, void (*fn)(void *ctx, int64_t begin, int64_t end), void *ctx) {
    (void)grain;
    if (n > 0) fn(ctx, 0, n);
}

#else

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#define MAX_THREADS 256
#define RELEASE_GIL_FROM 16 /* grains: a third of a millisecond or more, worth letting other Python threads in */

#if defined(__x86_64__)
#define SPINS 1200
#define RELAX() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define SPINS 4000
#define RELAX() __asm__ __volatile__("yield")
#else
#define SPINS 1000
#define RELAX() ((void)0)
#endif

static struct {
    /* written by the caller before it opens the job */
    void (*fn)(void *, int64_t, int64_t);
    void *ctx;
    int64_t n, chunk;
    int helpers;                       /* workers with a smaller index may take part */
    _Alignas(64) atomic_uint open;     /* the job's number; 0 between jobs */
    _Alignas(64) atomic_int inside;    /* workers that may hold a chunk */
    atomic_int caller_sleeps;
} job;

/* Stretch k is for worker k - 1, stretch 0 for the caller. */
static struct { _Alignas(64) atomic_int_fast64_t next; int64_t end; } stretch[MAX_THREADS];

static atomic_flag busy = ATOMIC_FLAG_INIT;
static unsigned last_job;              /* under `busy` */
static int n_workers;                  /* under `busy` */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t job_opened = PTHREAD_COND_INITIALIZER, workers_left = PTHREAD_COND_INITIALIZER;
static atomic_int sleepers;
static _Thread_local bool is_worker;

static void take_chunks(int first) {
    const int64_t n = job.n, chunk = job.chunk;
    const int stretches = job.helpers + 1;
    for (int i = 0, k = first; i < stretches; i++, k = k + 1 < stretches ? k + 1 : 0) {
        const int64_t end = stretch[k].end;
        for (;;) {
            const int64_t at = atomic_fetch_add(&stretch[k].next, 1), begin = at * chunk;
            if (at >= end) break;
            job.fn(job.ctx, begin, begin + chunk < n ? begin + chunk : n);
        }
    }
}

/* Until a job other than `seen` is open: looks for a while, then sleeps. */
static unsigned await_job(unsigned seen) {
    unsigned now;
    for (int i = 0; i < SPINS; i++) {
        now = atomic_load(&job.open);
        if (now && now != seen) return now;
        RELAX();
    }
    pthread_mutex_lock(&lock);
    atomic_fetch_add(&sleepers, 1);
    while (now = atomic_load(&job.open), !now || now == seen) pthread_cond_wait(&job_opened, &lock);
    atomic_fetch_sub(&sleepers, 1);
    pthread_mutex_unlock(&lock);
    return now;
}

static void *work(void *index_) {
    const int index = (int)(intptr_t)index_;
    is_worker = true;
    unsigned seen = 0;
    for (;;) {
        const unsigned number = await_job(seen);
        seen = number;
        /* Enter first, then look again: the caller closes first, then waits for those inside. */
        atomic_fetch_add(&job.inside, 1);
        if (atomic_load(&job.open) == number && index < job.helpers) take_chunks(index + 1);
        if (atomic_fetch_sub(&job.inside, 1) == 1 && atomic_load(&job.caller_sleeps)) {
            pthread_mutex_lock(&lock);
            pthread_cond_signal(&workers_left);
            pthread_mutex_unlock(&lock);
        }
    }
    return NULL;
}

/* Signals are for Python's main thread.  A system that grants no more threads costs speed only. */
static void hire(int wanted) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (n_workers < wanted) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, (void *)(intptr_t)n_workers) != 0) break;
        pthread_detach(thread);
        n_workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void close_job(void) {
    atomic_store(&job.open, 0);
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&job.inside) == 0) return;
        RELAX();
    }
    pthread_mutex_lock(&lock);
    atomic_store(&job.caller_sleeps, 1);
    while (atomic_load(&job.inside) != 0) pthread_cond_wait(&workers_left, &lock);
    atomic_store(&job.caller_sleeps, 0);
    pthread_mutex_unlock(&lock);
}

void rl_parallel_for(int64_t n, int64_t grain, void (*fn)(void *ctx, int64_t begin, int64_t end), void *ctx) {
    if (n <= 0) return;
    const int threads = rl_num_threads;
    if (threads <= 1 || n <= grain || is_worker || atomic_flag_test_and_set(&busy)) {
        fn(ctx, 0, n);
        return;
    }
    const int wanted = (threads < MAX_THREADS ? threads : MAX_THREADS) - 1;
    if (RL_UNLIKELY(n_workers < wanted)) hire(wanted);
    PyThreadState *state = n / grain >= RELEASE_GIL_FROM && !rl_keep_gil ? PyEval_SaveThread() : NULL;
    job.fn = fn;
    job.ctx = ctx;
    job.n = n;
    job.chunk = chunk_of(n, grain);
    const int64_t chunks = (n + job.chunk - 1) / job.chunk;
    job.helpers = chunks - 1 < wanted ? (int)(chunks - 1) : wanted;
    for (int k = 0; k <= job.helpers; k++) {
        atomic_store_explicit(&stretch[k].next, chunks * k / (job.helpers + 1), memory_order_relaxed);
        stretch[k].end = chunks * (k + 1) / (job.helpers + 1);
    }
    if (++last_job == 0) last_job = 1;
    atomic_store(&job.open, last_job);
    if (atomic_load(&sleepers) > 0) {
        pthread_mutex_lock(&lock);
        pthread_cond_broadcast(&job_opened);
        pthread_mutex_unlock(&lock);
    }
    take_chunks(0);
    close_job();
    atomic_flag_clear(&busy);
    if (state) PyEval_RestoreThread(state);
}

/* Only the thread that forked lives on in the child; what the others were doing there is forgotten. */
static void after_fork(void) {
    n_workers = 0;
    atomic_store(&sleepers, 0);
    atomic_store(&job.open, 0);
    atomic_store(&job.inside, 0);
    atomic_store(&job.caller_sleeps, 0);
    atomic_flag_clear(&busy);
    is_worker = false;
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&job_opened, NULL);
    pthread_cond_init(&workers_left, NULL);
}

static int processors(void) {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

/* OMP_NUM_THREADS, which programs and schedulers set for PyTorch; else the processors this process may use. */
void rl_threads_init(void) {
    const char *text = getenv("OMP_NUM_THREADS");
    const int asked = text ? atoi(text) : 0;
    rl_num_threads = asked > 0 ? asked : processors();
    pthread_atfork(NULL, NULL, after_fork);
}

#endif
