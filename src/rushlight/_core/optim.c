/* optim.c -- optimizer steps, each a parameter group in one call.
 *
 *     _sgd_step(group, state) -> bool       one step of SGD; False: nothing was done
 *     _adam_step(group, state) -> bool      Adam, AdamW, AMSGrad
 *     _rmsprop_step, _adagrad_step, _adadelta_step      likewise
 *     _zero_grad(param_groups) -> bool      every p.grad = None; False: some were left
 *     _clip_grad_norm(parameters, max_norm) -> Tensor | None     the norm, after bounding it; None: nothing was done
 *     _clip_grad_value(parameters, bound) -> bool                every element to [-bound, bound]
 *
 * `group` is an entry of Optimizer.param_groups, `state` the optimizer's state; both are read as
 * they are, so that whatever a user writes into them counts from the next step on.
 *
 * These calls do the common case only: dense real float32/float64 tensors on the CPU, row-major,
 * of exactly the class Tensor or Parameter, hyperparameters that are Python numbers, state that
 * exists.  They look at the whole group before they write anything; for all else they answer False
 * and the caller takes the step with tensor operations (the `_update` of each class in optim/), which is also
 * how state comes into being and what the arithmetic here is tested against.
 *
 * Between the look and the last write no Python code runs, so borrowed references stay good.
 */
#include "rl.h"

#include <math.h>

#include "isa.h"
#include "optim.h"
#include "rl_ops.h"

extern const RLOptimKernels rl_optim_kernels_base;
#if defined(__x86_64__) || defined(_M_X64)
extern const RLOptimKernels rl_optim_kernels_avx2, rl_optim_kernels_avx512;
#endif

int rl_optim_groups_init(PyObject *module);         /* optim_groups.c */

static const RLOptimKernels *kernels = &rl_optim_kernels_base;

/* Below this many elements a share of the work is not worth a thread's waking. */
#define GRAIN 32768
#define ON_STACK 32

/* ---------------------------------------------------------------- one parameter */

typedef struct {
    Tensor *param, *grad;
    /* SGD: buffer.  Adam: exp_avg, exp_avg_sq, max_exp_avg_sq.  RMSprop: square_avg, grad_avg, buffer.
     * Adagrad: sum.  Adadelta: square_avg, acc_delta. */
    Tensor *slots[3];
    Tensor *step;
    union { SgdRule sgd; AdamRule adam; RmspropRule rmsprop; AdagradRule adagrad; AdadeltaRule adadelta; } rule;
} Item;

static inline void *at(const Tensor *t, int64_t element)
{
    return t ? t->data + element * RL_ITEMSIZE(t->dtype) : NULL;
}

static void sgd_chunk(void *ctx, int64_t begin, int64_t end)
{
    const Item *it = ctx;
    void *p = at(it->param, begin), *grad = at(it->grad, begin), *buf = at(it->slots[0], begin);
    if (it->param->dtype == RL_F32) kernels->sgd_f32(p, grad, buf, end - begin, &it->rule.sgd);
    else kernels->sgd_f64(p, grad, buf, end - begin, &it->rule.sgd);
}

static void adam_chunk(void *ctx, int64_t begin, int64_t end)
{
    const Item *it = ctx;
    void *p = at(it->param, begin), *grad = at(it->grad, begin);
    void *m = at(it->slots[0], begin), *v = at(it->slots[1], begin), *vmax = at(it->slots[2], begin);
    if (it->param->dtype == RL_F32) kernels->adam_f32(p, grad, m, v, vmax, end - begin, &it->rule.adam);
    else kernels->adam_f64(p, grad, m, v, vmax, end - begin, &it->rule.adam);
}

static void rmsprop_chunk(void *ctx, int64_t begin, int64_t end)
{
    const Item *it = ctx;
    void *p = at(it->param, begin), *grad = at(it->grad, begin);
    void *square = at(it->slots[0], begin), *mean = at(it->slots[1], begin), *buf = at(it->slots[2], begin);
    if (it->param->dtype == RL_F32) kernels->rmsprop_f32(p, grad, square, mean, buf, end - begin, &it->rule.rmsprop);
    else kernels->rmsprop_f64(p, grad, square, mean, buf, end - begin, &it->rule.rmsprop);
}

static void adagrad_chunk(void *ctx, int64_t begin, int64_t end)
{
    const Item *it = ctx;
    void *p = at(it->param, begin), *grad = at(it->grad, begin), *sum = at(it->slots[0], begin);
    if (it->param->dtype == RL_F32) kernels->adagrad_f32(p, grad, sum, end - begin, &it->rule.adagrad);
    else kernels->adagrad_f64(p, grad, sum, end - begin, &it->rule.adagrad);
}

static void adadelta_chunk(void *ctx, int64_t begin, int64_t end)
{
    const Item *it = ctx;
    void *p = at(it->param, begin), *grad = at(it->grad, begin);
    void *square = at(it->slots[0], begin), *delta = at(it->slots[1], begin);
    if (it->param->dtype == RL_F32) kernels->adadelta_f32(p, grad, square, delta, end - begin, &it->rule.adadelta);
    else kernels->adadelta_f64(p, grad, square, delta, end - begin, &it->rule.adadelta);
}

static inline void update(Item *it, void (*chunk)(void *, int64_t, int64_t))
{
    if (it->param->numel < 2 * GRAIN) chunk(it, 0, it->param->numel);
    else rl_parallel_for(it->param->numel, GRAIN, chunk, it);
    rl_bump(it->param);
    for (int k = 0; k < 3; k++)
        if (it->slots[k]) rl_bump(it->slots[k]);
}

/* ---------------------------------------------------------------- reading groups and state */

enum {
    K_params, K_lr, K_momentum, K_dampening, K_weight_decay, K_nesterov, K_maximize, K_differentiable,
    K_capturable, K_betas, K_eps, K_amsgrad, K_decoupled_weight_decay, K_momentum_buffer, K_step,
    K_exp_avg, K_exp_avg_sq, K_max_exp_avg_sq, K_alpha, K_centered, K_square_avg, K_grad_avg,
    K_lr_decay, K_sum, K_rho, K_acc_delta, N_KEYS
};
static const char *const key_names[N_KEYS] = {
    "params", "lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize", "differentiable",
    "capturable", "betas", "eps", "amsgrad", "decoupled_weight_decay", "momentum_buffer", "step",
    "exp_avg", "exp_avg_sq", "max_exp_avg_sq", "alpha", "centered", "square_avg", "grad_avg",
    "lr_decay", "sum", "rho", "acc_delta"
};
static PyObject *keys[N_KEYS];

/* Borrowed, or NULL where absent.  Keys are exact strings and tensors hash by identity, so a lookup
 * cannot fail; a user's odd key that makes it fail counts as absent. */
static inline PyObject *lookup(PyObject *dict, PyObject *key)
{
    PyObject *value = PyDict_GetItemWithError(dict, key);
    if (RL_UNLIKELY(!value) && RL_UNLIKELY(PyErr_Occurred() != NULL)) PyErr_Clear();
    return value;
}

static inline bool as_number(PyObject *value, double *out)
{
    if (RL_UNLIKELY(!value)) return false;
    if (RL_LIKELY(PyFloat_Check(value))) {
        *out = PyFloat_AS_DOUBLE(value);
        return true;
    }
    if (!PyLong_Check(value)) return false;
    *out = PyLong_AsDouble(value);
    if (*out == -1.0 && PyErr_Occurred()) {
        PyErr_Clear();
        return false;
    }
    return true;
}

static inline bool number(PyObject *group, int key, double *out)
{
    return as_number(lookup(group, keys[key]), out);
}

/* Only what is plainly a yes or a no; anything else is for Python to judge. */
static inline bool flag(PyObject *group, int key, bool *out)
{
    PyObject *value = lookup(group, keys[key]);
    *out = value == Py_True;
    return value == Py_True || value == Py_False || value == Py_None;
}

static inline bool is_off(PyObject *group, int key)
{
    bool on;
    return flag(group, key, &on) && !on;
}

static inline bool plain(const Tensor *t)
{
    return RL_IS_TENSOR_EXACT(t) && t->device == RL_CPU && RL_IS_CONTIGUOUS(t)
        && !(t->flags & RLF_INFERENCE);
}

static inline bool like(const Tensor *t, const Tensor *param)
{
    return plain(t) && t->dtype == param->dtype && rl_same_shape(t, param);
}

/* An update under no_grad of a leaf that is not a view needs a version bump and nothing else. */
static inline bool updatable(const Tensor *p)
{
    return plain(p) && (p->dtype == RL_F32 || p->dtype == RL_F64) && RL_IS_LEAF(p) && !p->base;
}

static bool slot(PyObject *entry, int key, const Tensor *param, Tensor **out)
{
    *out = (Tensor *)lookup(entry, keys[key]);
    return *out && like(*out, param);
}

/* The state of a parameter with a step count in it, or NULL. */
static PyObject *counted(PyObject *state, Item *it)
{
    PyObject *entry = lookup(state, (PyObject *)it->param);
    if (!entry || !PyDict_Check(entry)) return NULL;
    it->step = (Tensor *)lookup(entry, keys[K_step]);
    const bool counts = it->step && plain(it->step) && it->step->numel == 1
                        && (it->step->dtype == RL_F32 || it->step->dtype == RL_F64);
    it->slots[0] = it->slots[1] = it->slots[2] = NULL;
    return counts ? entry : NULL;
}

/* The parameters that have a gradient.  Returns how many, or -1 where the group is not for us. */
static Py_ssize_t collect(PyObject *params, Item *items)
{
    Py_ssize_t count = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(params); i++) {
        Tensor *p = (Tensor *)PyList_GET_ITEM(params, i);
        if (!RL_IS_TENSOR_EXACT(p)) return -1;
        if (!p->grad) continue;
        if (!updatable(p) || !like(p->grad, p)) return -1;
        items[count].param = p;
        items[count].grad = p->grad;
        count++;
    }
    return count;
}

static Item *items_for(PyObject *params, Item *on_stack)
{
    Py_ssize_t n = PyList_GET_SIZE(params);
    if (n <= ON_STACK) return on_stack;
    Item *items = PyMem_New(Item, n);
    if (!items) PyErr_NoMemory();
    return items;
}

/* ---------------------------------------------------------------- steps */

static bool sgd_try(PyObject *group, PyObject *state, PyObject *params, Item *items)
{
    SgdRule rule;
    double lr, dampening;
    if (!number(group, K_lr, &lr) || !number(group, K_momentum, &rule.momentum)
        || !number(group, K_dampening, &dampening) || !number(group, K_weight_decay, &rule.weight_decay)
        || !flag(group, K_nesterov, &rule.nesterov) || !flag(group, K_maximize, &rule.maximize)
        || !is_off(group, K_differentiable))
        return false;
    rule.neg_lr = -lr;
    rule.one_minus_dampening = 1 - dampening;

    Py_ssize_t n = collect(params, items);
    if (n < 0) return false;
    for (Py_ssize_t i = 0; i < n; i++) {
        Item *it = &items[i];
        it->slots[0] = it->slots[1] = it->slots[2] = NULL;
        if (rule.momentum != 0) {
            PyObject *entry = lookup(state, (PyObject *)it->param);
            if (!entry || !PyDict_Check(entry) || !slot(entry, K_momentum_buffer, it->param, &it->slots[0]))
                return false;
        }
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        Item *it = &items[i];
        it->rule.sgd = rule;
        update(it, sgd_chunk);
    }
    return true;
}

static double bump_step(Tensor *step)
{
    rl_bump(step);
    return step->dtype == RL_F32 ? (double)(*(float *)step->data += 1) : (*(double *)step->data += 1);
}

static bool adam_try(PyObject *group, PyObject *state, PyObject *params, Item *items)
{
    AdamRule rule;
    double lr, beta1, weight_decay;
    bool amsgrad, decoupled;
    PyObject *betas = lookup(group, keys[K_betas]);
    if (!betas || !PyTuple_Check(betas) || PyTuple_GET_SIZE(betas) != 2
        || !as_number(PyTuple_GET_ITEM(betas, 0), &beta1) || !as_number(PyTuple_GET_ITEM(betas, 1), &rule.beta2)
        || !number(group, K_lr, &lr) || !number(group, K_eps, &rule.eps)
        || !number(group, K_weight_decay, &weight_decay) || !flag(group, K_amsgrad, &amsgrad)
        || !flag(group, K_maximize, &rule.maximize) || !flag(group, K_decoupled_weight_decay, &decoupled)
        || !is_off(group, K_differentiable) || !is_off(group, K_capturable))
        return false;
    rule.one_minus_beta1 = 1 - beta1;
    rule.one_minus_beta2 = 1 - rule.beta2;
    rule.weight_decay = decoupled ? 0 : weight_decay;
    rule.shrink = decoupled ? 1 - lr * weight_decay : 1;

    Py_ssize_t n = collect(params, items);
    if (n < 0) return false;
    for (Py_ssize_t i = 0; i < n; i++) {
        Item *it = &items[i];
        PyObject *entry = counted(state, it);
        if (!entry || !slot(entry, K_exp_avg, it->param, &it->slots[0])
            || !slot(entry, K_exp_avg_sq, it->param, &it->slots[1])
            || (amsgrad && !slot(entry, K_max_exp_avg_sq, it->param, &it->slots[2])))
            return false;
    }

    double t = -1;             /* parameters mostly share one step count: raise the powers once */
    for (Py_ssize_t i = 0; i < n; i++) {
        Item *it = &items[i];
        double own = bump_step(it->step);
        if (own != t) {
            t = own;
            rule.neg_step_size = -(lr / (1 - pow(beta1, t)));
            rule.bias2_sqrt = pow(1 - pow(rule.beta2, t), 0.5);
        }
        it->rule.adam = rule;
        update(it, adam_chunk);
        if (decoupled && weight_decay != 0) rl_bump(it->param);
    }
    return true;
}

static bool rmsprop_try(PyObject *group, PyObject *state, PyObject *params, Item *items)
{
    RmspropRule rule;
    double lr;
    bool centered;
    if (!number(group, K_lr, &lr) || !number(group, K_alpha, &rule.alpha) || !number(group, K_eps, &rule.eps)
        || !number(group, K_weight_decay, &rule.weight_decay) || !number(group, K_momentum, &rule.momentum)
        || !flag(group, K_centered, &centered) || !flag(group, K_maximize, &rule.maximize)
        || !is_off(group, K_differentiable) || !is_off(group, K_capturable))
        return false;
    rule.neg_lr = -lr;
    rule.one_minus_alpha = 1 - rule.alpha;

    Py_ssize_t n = collect(params, items);
    for (Py_ssize_t i = 0; i < n; i++) {
        Item *it = &items[i];
        PyObject *entry = counted(state, it);
        if (!entry || !slot(entry, K_square_avg, it->param, &it->slots[0])
            || (centered && !slot(entry, K_grad_avg, it->param, &it->slots[1]))
            || (rule.momentum > 0 && !slot(entry, K_momentum_buffer, it->param, &it->slots[2])))
            return false;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        bump_step(items[i].step);
        items[i].rule.rmsprop = rule;
        update(&items[i], rmsprop_chunk);
    }
    return n >= 0;
}

static bool adagrad_try(PyObject *group, PyObject *state, PyObject *params, Item *items)
{
    AdagradRule rule;
    double lr, lr_decay;
    if (!number(group, K_lr, &lr) || !number(group, K_lr_decay, &lr_decay) || !number(group, K_eps, &rule.eps)
        || !number(group, K_weight_decay, &rule.weight_decay) || !flag(group, K_maximize, &rule.maximize)
        || !is_off(group, K_differentiable))
        return false;

    Py_ssize_t n = collect(params, items);
    for (Py_ssize_t i = 0; i < n; i++) {
        Item *it = &items[i];
        PyObject *entry = counted(state, it);
        if (!entry || !slot(entry, K_sum, it->param, &it->slots[0])) return false;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        rule.neg_lr = -(lr / (1 + (bump_step(items[i].step) - 1) * lr_decay));
        items[i].rule.adagrad = rule;
        update(&items[i], adagrad_chunk);
    }
    return n >= 0;
}

static bool adadelta_try(PyObject *group, PyObject *state, PyObject *params, Item *items)
{
    AdadeltaRule rule;
    double lr;
    if (!number(group, K_lr, &lr) || !number(group, K_rho, &rule.rho) || !number(group, K_eps, &rule.eps)
        || !number(group, K_weight_decay, &rule.weight_decay) || !flag(group, K_maximize, &rule.maximize)
        || !is_off(group, K_differentiable) || !is_off(group, K_capturable))
        return false;
    rule.neg_lr = -lr;
    rule.one_minus_rho = 1 - rule.rho;

    Py_ssize_t n = collect(params, items);
    for (Py_ssize_t i = 0; i < n; i++) {
        Item *it = &items[i];
        PyObject *entry = counted(state, it);
        if (!entry || !slot(entry, K_square_avg, it->param, &it->slots[0])
            || !slot(entry, K_acc_delta, it->param, &it->slots[1]))
            return false;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        bump_step(items[i].step);
        items[i].rule.adadelta = rule;
        update(&items[i], adadelta_chunk);
    }
    return n >= 0;
}

static PyObject *take_step(PyObject *const *args, Py_ssize_t nargs,
                           bool (*attempt)(PyObject *, PyObject *, PyObject *, Item *))
{
    if (nargs != 2) {
        PyErr_SetString(PyExc_TypeError, "expected a parameter group and the optimizer's state");
        return NULL;
    }
    if (!PyDict_Check(args[0]) || !PyDict_Check(args[1])) Py_RETURN_FALSE;
    PyObject *params = lookup(args[0], keys[K_params]);
    if (!params || !PyList_CheckExact(params)) Py_RETURN_FALSE;
    Item on_stack[ON_STACK], *items = items_for(params, on_stack);
    if (!items) return NULL;
    bool done = attempt(args[0], args[1], params, items);
    if (items != on_stack) PyMem_Free(items);
    return PyBool_FromLong(done);
}

static PyObject *sgd_step(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    return take_step(args, nargs, sgd_try);
}

static PyObject *adam_step(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    return take_step(args, nargs, adam_try);
}

static PyObject *rmsprop_step(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    return take_step(args, nargs, rmsprop_try);
}

static PyObject *adagrad_step(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    return take_step(args, nargs, adagrad_try);
}

static PyObject *adadelta_step(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    return take_step(args, nargs, adadelta_try);
}

/* Dropping the last reference to a gradient may run a user's weak reference callback, hence any
 * Python: hold the list, and read its length anew each time round. */
static bool drop_grads(PyObject *params)
{
    bool all = true;
    Py_INCREF(params);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(params); i++) {
        Tensor *p = (Tensor *)PyList_GET_ITEM(params, i);
        if (RL_LIKELY(RL_IS_TENSOR_EXACT(p))) Py_CLEAR(p->grad);
        else all = false;
    }
    Py_DECREF(params);
    return all;
}

static PyObject *zero_grad(PyObject *Py_UNUSED(module), PyObject *groups)
{
    if (!PyList_CheckExact(groups)) Py_RETURN_FALSE;
    bool all = true;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(groups); i++) {
        PyObject *group = PyList_GET_ITEM(groups, i);
        PyObject *params = PyDict_Check(group) ? lookup(group, keys[K_params]) : NULL;
        if (params && PyList_CheckExact(params)) all &= drop_grads(params);
        else all = false;
    }
    return PyBool_FromLong(all);
}

/* ---------------------------------------------------------------- clipping */

/* Like nn.utils.clip_grad_norm_ with norm_type 2, with the same operations and so the same digits, but that a factor of 1 is
 * not multiplied by. */
static bool clippable(PyObject *params, RLDType *dt, Py_ssize_t *count)
{
    *dt = RL_NODTYPE;
    *count = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(params); i++) {
        Tensor *p = (Tensor *)PyList_GET_ITEM(params, i);
        if (!RL_IS_TENSOR_EXACT(p)) return false;
        if (!p->grad) continue;
        if (!plain(p->grad) || !RL_IS_LEAF(p->grad) || p->grad->base || (p->grad->dtype != RL_F32 && p->grad->dtype != RL_F64)) return false;
        if (*dt == RL_NODTYPE) *dt = (RLDType)p->grad->dtype;
        if (p->grad->dtype != *dt) return false;
        (*count)++;
    }
    return *count > 0;
}

static Tensor *norm_of(Tensor *t)
{
    return rl_linalg_vector_norm(t, (Scalar){'d', {.d = 2}, 0}, (Ints){NULL, -1}, false, RL_NODTYPE);
}

static Tensor *clip(PyObject *params, double max_norm, RLDType dt, int64_t count)
{
    Tensor *norms = rl_empty(1, &count, dt, RL_CPU), *total = NULL, *factor = NULL;
    const int64_t item = RL_ITEMSIZE(dt);
    int64_t k = 0;
    for (Py_ssize_t i = 0; norms && i < PyList_GET_SIZE(params); i++) {
        Tensor *grad = ((Tensor *)PyList_GET_ITEM(params, i))->grad, *norm = grad ? norm_of(grad) : NULL;
        if (!grad) continue;
        if (norm) memcpy(norms->data + k++ * item, norm->data, (size_t)item);
        else Py_CLEAR(norms);
        Py_XDECREF(norm);
    }
    if (!norms || !(total = norm_of(norms))) goto done;
    /* max_norm / (total + 1e-6), as a reciprocal and a product: so PyTorch divides a number by a tensor */
    double scale;
    if (dt == RL_F32) scale = 1 / (*(float *)total->data + 1e-6f) * (float)max_norm;
    else scale = 1 / (*(double *)total->data + 1e-6) * max_norm;
    if (scale >= 1) goto done;
    if (!(factor = rl_full_scalar(0, NULL, (Scalar){'d', {.d = scale}, 0}, dt, RL_CPU))) Py_CLEAR(total);
    for (Py_ssize_t i = 0; total && i < PyList_GET_SIZE(params); i++) {
        Tensor *grad = ((Tensor *)PyList_GET_ITEM(params, i))->grad, *same = grad ? rl_mul_(grad, factor) : NULL;
        if (grad && !same) Py_CLEAR(total);
        Py_XDECREF(same);
    }
done:
    Py_XDECREF(norms);
    Py_XDECREF(factor);
    return total;
}

static PyObject *clip_grad_norm(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    RLDType dt;
    Py_ssize_t count;
    double max_norm;
    if (nargs != 2 || !PyList_CheckExact(args[0]) || !as_number(args[1], &max_norm) || !clippable(args[0], &dt, &count)) Py_RETURN_NONE;
    const int mode = rl_grad_mode;
    rl_grad_mode = 0;
    Tensor *total = clip(args[0], max_norm, dt, count);
    rl_grad_mode = mode;
    return (PyObject *)total;
}

static PyObject *clip_grad_value(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    RLDType dt;
    Py_ssize_t count;
    double bound;
    if (nargs != 2 || !PyList_CheckExact(args[0]) || !as_number(args[1], &bound) || !clippable(args[0], &dt, &count)) Py_RETURN_FALSE;
    const int mode = rl_grad_mode;
    rl_grad_mode = 0;
    bool fine = true;
    for (Py_ssize_t i = 0; fine && i < PyList_GET_SIZE(args[0]); i++) {
        Tensor *grad = ((Tensor *)PyList_GET_ITEM(args[0], i))->grad;
        Tensor *same = grad ? rl_clamp_(grad, (Scalar){'d', {.d = -bound}, 0}, (Scalar){'d', {.d = bound}, 0}) : NULL;
        fine = same || !grad;
        Py_XDECREF(same);
    }
    rl_grad_mode = mode;
    return fine ? Py_NewRef(Py_True) : NULL;
}

static PyMethodDef methods[] = {
    {"_clip_grad_norm", (PyCFunction)(void (*)(void))clip_grad_norm, METH_FASTCALL, NULL},
    {"_clip_grad_value", (PyCFunction)(void (*)(void))clip_grad_value, METH_FASTCALL, NULL},
    {"_sgd_step", (PyCFunction)(void (*)(void))sgd_step, METH_FASTCALL, NULL},
    {"_adam_step", (PyCFunction)(void (*)(void))adam_step, METH_FASTCALL, NULL},
    {"_rmsprop_step", (PyCFunction)(void (*)(void))rmsprop_step, METH_FASTCALL, NULL},
    {"_adagrad_step", (PyCFunction)(void (*)(void))adagrad_step, METH_FASTCALL, NULL},
    {"_adadelta_step", (PyCFunction)(void (*)(void))adadelta_step, METH_FASTCALL, NULL},
    {"_zero_grad", zero_grad, METH_O, NULL},
    {NULL, NULL, 0, NULL}
};

int rl_optim_init(PyObject *module)
{
#if defined(__x86_64__) || defined(_M_X64)
    const RLIsa isa = rl_isa_best();
    if (isa >= RL_ISA_AVX512) kernels = &rl_optim_kernels_avx512;
    else if (isa >= RL_ISA_AVX2) kernels = &rl_optim_kernels_avx2;
#endif
    for (int i = 0; i < N_KEYS; i++)
        if (!keys[i] && !(keys[i] = PyUnicode_InternFromString(key_names[i]))) return -1;
    if (rl_optim_groups_init(module) < 0) return -1;
    return PyModule_AddFunctions(module, methods);
}
