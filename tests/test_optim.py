"""Optimizers and schedules: recorded values, native steps against composed ones, checkpoints, hooks, errors."""

import copy
import pickle
import subprocess
import sys
import warnings

import pytest

import rushlight as torch
from rushlight import optim
from rushlight.optim import lr_scheduler as schedules, optimizer as base

# Ten steps of `descend` in PyTorch 2.13: w (three numbers), then b.
RECORDED = [
    ("SGD", dict(lr=0.1), [0.646765312, 0.6757524992, 1.402490192, 0.7940480608]),
    ("SGD", dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
     [1.5138982612, 0.9284910083, 0.6018461584, 1.0370258026]),
    ("SGD", dict(lr=0.05, momentum=0.8, dampening=0.3), [0.4004672916, 1.4782844445, 0.7768119236, 1.2935874168]),
    ("Adam", dict(lr=0.1), [0.0087621993, -1.0476754916, 2.0014976841, -0.2509538608]),
    ("Adam", dict(lr=0.1, amsgrad=True, weight_decay=0.1), [0.0119536443, -1.047110022, 2.0025850216, -0.2502817635]),
    ("AdamW", dict(lr=0.1, weight_decay=0.1), [-0.0373365787, -0.9072630919, 1.7621746361, -0.2336894153]),
    ("RMSprop", dict(lr=0.05), [0.1251655578, -0.3157128736, 0.9331250173, 0.1747970613]),
    ("RMSprop", dict(lr=0.05, momentum=0.5, centered=True), [0.4517513301, 0.3069544052, 0.1645111026, 0.4673610802]),
    ("Adagrad", dict(lr=0.5), [0.1176974578, -0.3299564191, 0.9460607023, 0.1677010979]),
    ("Adadelta", dict(lr=1.0), [0.9662570606, -1.966526349, 2.966250272, 0.4668817688]),
    ("Adamax", dict(lr=0.1), [0.0774566729, -1.176680731, 2.0141300035, -0.1200464953]),
    ("NAdam", dict(lr=0.1), [0.2435306402, -1.2830584478, 2.2027878505, -0.040757485]),
    ("RAdam", dict(lr=0.1), [0.32058789, 0.6528607045, 1.7186977197, 0.6106670073]),
    ("ASGD", dict(lr=0.1, t0=3.0), [0.6467070754, 0.6756903563, 1.4023748623, 0.7939909387]),
    ("Rprop", dict(lr=0.1), [0.03686784, 0.5958682112, 0.4041317888, 0.31239424]),
    ("LBFGS", dict(lr=0.5, max_iter=2), [0.9706518565, 0.9749414016, 0.9907600541, 0.9792945731]),
    ("LBFGS", dict(line_search_fn="strong_wolfe", max_iter=1),
     [1.0003239446, 1.0002039289, 0.9996539015, 1.0001726482]),
]  # fmt: skip
NAMES = sorted({name for name, _, _ in RECORDED})


def quadratic(torch, optimizer):
    """The closure of the recorded runs; the optimizer holds w and b."""
    w, b = optimizer.param_groups[0]["params"]
    scale = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)

    def closure():
        optimizer.zero_grad()
        loss = (scale * (w - b) ** 2).sum() + (b - 1) ** 2
        loss.backward()
        return loss

    return closure


def numbers(optimizer):
    w, b = optimizer.param_groups[0]["params"]
    return [*w.tolist(), b.item()]


def descend(torch, name, options, steps=10):
    w = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64))
    b = torch.nn.Parameter(torch.tensor(0.5, dtype=torch.float64))
    optimizer = getattr(torch.optim, name)([w, b], **options)
    closure = quadratic(torch, optimizer)
    for _ in range(steps):
        optimizer.step(closure)
    return numbers(optimizer), optimizer


@pytest.mark.parametrize("name, options, expected", RECORDED)
def test_ten_steps_end_where_recorded(name, options, expected):
    assert descend(torch, name, options)[0] == pytest.approx(expected, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("name, options, _", RECORDED)
def test_pytorch_itself_agrees(name, options, _):
    oracle = pytest.importorskip("torch")
    if not hasattr(oracle.optim, name):
        pytest.skip(f"PyTorch has no {name}")
    ours, optimizer = descend(torch, name, options)
    theirs, reference = descend(oracle, name, options)
    assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-12)
    assert repr(optimizer) == repr(reference)
    assert list(optimizer.state_dict()["param_groups"][0]) == list(reference.state_dict()["param_groups"][0])
    for mine, its in zip(optimizer.state_dict()["state"].values(), reference.state_dict()["state"].values()):
        assert list(mine) == list(its)


# ---------------------------------------------------------------- native steps

NATIVE = [
    ("SGD", dict(lr=0.1)),
    ("SGD", dict(lr=0.1, weight_decay=0.01, maximize=True)),
    ("SGD", dict(lr=0.1, momentum=0.9)),
    ("SGD", dict(lr=1, momentum=0.9, dampening=0.4, weight_decay=0.1)),
    ("SGD", dict(lr=0.01, momentum=0.5, nesterov=True, maximize=True)),
    ("Adam", dict()),
    ("Adam", dict(lr=0.1, weight_decay=0.1, maximize=True)),
    ("Adam", dict(betas=(0.3, 0.9), amsgrad=True)),
    ("AdamW", dict(lr=0.01)),
    ("AdamW", dict(lr=0.01, amsgrad=True, maximize=True)),
    ("RMSprop", dict()),
    ("RMSprop", dict(weight_decay=0.1, maximize=True)),
    ("RMSprop", dict(momentum=0.5, weight_decay=0.01)),
    ("RMSprop", dict(alpha=0.3, centered=True)),
    ("RMSprop", dict(lr=0.05, momentum=0.9, centered=True)),
    ("Adagrad", dict()),
    ("Adagrad", dict(lr=0.5, lr_decay=0.1, initial_accumulator_value=0.2)),
    ("Adagrad", dict(lr=0.5, weight_decay=0.1, maximize=True)),
    ("Adadelta", dict()),
    ("Adadelta", dict(rho=0.5, weight_decay=0.1, maximize=True)),
]


def random_steps(name, options, dtype, sizes, steps=20):
    torch.manual_seed(7)
    params = [torch.nn.Parameter(torch.randn(size, dtype=dtype)) for size in sizes]
    optimizer = getattr(optim, name)(params, **options)
    for step in range(steps):
        optimizer.zero_grad()
        for i, p in enumerate(params):
            gradient = torch.randn(p.shape, dtype=dtype)
            if i != 1 or step % 4:  # one parameter is left out now and then
                p.grad = gradient
        optimizer.step()
    return params, optimizer


@pytest.mark.parametrize("sizes", [[(10, 2), (5,), (5, 5), ()], [(70_000,), (33,)], [(3,)] * 40], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, options", NATIVE)
def test_native_step_equals_composed_to_the_bit(name, options, dtype, sizes, monkeypatch):
    native, optimizer = random_steps(name, options, getattr(torch, dtype), sizes)
    monkeypatch.setattr(getattr(optim, name), "_native_step", None)
    composed, reference = random_steps(name, options, getattr(torch, dtype), sizes)
    for mine, its in zip(native, composed):
        assert torch.equal(mine, its)
        assert mine._version == its._version
        assert optimizer.state[mine].keys() == reference.state[its].keys()
        for key, value in optimizer.state[mine].items():
            assert torch.equal(value, reference.state[its][key]), key


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad", "Adadelta"])
def test_native_step_takes_the_common_case_and_declines_the_rest(name):
    options = dict(momentum=0.9) if name == "SGD" else {}
    native = getattr(optim, name)._native_step
    (p, q), optimizer = random_steps(name, options, torch.float32, [(4, 3), (2,)], steps=2)
    group, state = optimizer.param_groups[0], optimizer.state
    assert native(group, state) is True

    def declines():
        before = p.detach().clone()
        assert native(group, state) is False
        assert torch.equal(p, before)  # declining means that nothing was done

    for option, value in (("lr", torch.tensor(0.1)), ("differentiable", True), ("maximize", 1)):
        usual, group[option] = group[option], value
        declines()
        group[option] = usual
    q.grad = torch.ones(4)[::2]
    declines()
    q.grad = torch.ones(2)
    buffers, state[q] = state[q], {}
    declines()
    state[q] = buffers
    assert native(group, state) is True


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"])
def test_odd_layouts_and_dtypes_step_too(name):
    for make in (lambda: torch.randn(4, 6).t(), lambda: torch.randn(4).to(torch.bfloat16), lambda: torch.randn(0, 3)):
        p = torch.nn.Parameter(make())
        optimizer = getattr(optim, name)([p], lr=0.5)
        before = p.detach().clone()
        for _ in range(2):
            p.grad = torch.ones_like(p)
            optimizer.step()
        assert bool((p.detach() < before).all())


def test_options_written_between_steps_count():
    p = torch.nn.Parameter(torch.zeros(2))
    optimizer = optim.SGD([p], lr=1.0)
    p.grad = torch.ones(2)
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 0.25
    optimizer.step()
    optimizer.param_groups[0]["lr"] = torch.tensor(0.5)
    optimizer.step()
    assert p.tolist() == [-1.75, -1.75]


# ---------------------------------------------------------------- gradients


def test_zero_grad():
    p, q = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(3))
    optimizer = optim.SGD([{"params": [p]}, {"params": [q], "lr": 0.5}], lr=0.1)
    optimizer.zero_grad()
    p.grad, q.grad = torch.ones(2), torch.ones(3)
    kept = p.grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is kept and p.grad.tolist() == [0, 0]
    optimizer.zero_grad()
    assert p.grad is None and q.grad is None


def test_closure_runs_with_gradients_recorded():
    p = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = optim.SGD([p], lr=0.1)

    def closure():
        assert torch.is_grad_enabled()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        assert optimizer.step(closure).item() == 4.0
        assert not torch.is_grad_enabled()
    assert p.item() == pytest.approx(1.6)


def test_differentiable_step_carries_gradients_through():
    for name, options in (("SGD", dict(momentum=0.9)), ("Adam", {})):
        start = torch.tensor([1.0, 2.0], requires_grad=True)
        p = start.clone()
        optimizer = getattr(optim, name)([p], lr=0.1, differentiable=True, **options)
        for _ in range(2):
            p.grad = start * 3
            optimizer.step()
        p.sum().backward()
        # SGD's first buffer is detached, so only the second gradient counts: p = s - ... - 0.1 * 3s.
        # Adam's step ignores the gradient's scale.
        expected = 0.7 if name == "SGD" else 1.0
        assert start.grad.tolist() == pytest.approx([expected] * 2, abs=1e-5)


def test_gradient_values_are_clipped():
    p, q, idle = (torch.nn.Parameter(torch.zeros(5)) for _ in range(3))
    p.grad = torch.tensor([1.0, -3.0, float("nan"), float("inf"), -0.1])
    q.grad = torch.arange(10.0)[::2]  # strided
    for parameters in ([p, idle], iter([p]), q):
        torch.nn.utils.clip_grad_value_(parameters, 0.5)
    assert str(p.grad.tolist()) == "[0.5, -0.5, nan, 0.5, -0.10000000149011612]"
    assert q.grad.tolist() == [0, 0.5, 0.5, 0.5, 0.5] and idle.grad is None
    assert not p.grad.requires_grad and torch.is_grad_enabled()


# ---------------------------------------------------------------- groups and errors


def test_groups_take_defaults_and_keep_their_own():
    p, q = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    optimizer = optim.SGD([{"params": p}, {"params": iter([q]), "lr": 0.5}], lr=0.1, momentum=0.9)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    assert optimizer.param_groups[0]["params"] == [p]
    named = optim.SGD([("first", p), ("second", q)])
    assert named.param_groups[0]["param_names"] == ["first", "second"]
    assert named.state_dict()["param_groups"][0]["param_names"] == ["first", "second"]


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda p: optim.SGD([]), ValueError, "optimizer got an empty parameter list"),
        (
            lambda p: optim.SGD(p),
            TypeError,
            "params argument given to the optimizer should be an iterable of Tensors or "
            "dicts, but got torch.FloatTensor",
        ),
        (lambda p: optim.SGD([p * 2]), ValueError, "can't optimize a non-leaf Tensor"),
        (lambda p: optim.SGD([3]), TypeError, "optimizer can only optimize Tensors, but one of the params is int"),
        (
            lambda p: optim.SGD([{"params": [p]}, {"params": [p]}]),
            ValueError,
            "some parameters appear in more than one parameter group",
        ),
        (
            lambda p: optim.SGD([p, p]),
            UserWarning,
            "optimizer contains a parameter group with duplicate parameters; in "
            "future, this will cause an error; see github.com/pytorch/pytorch/issues/40967 for more information",
        ),
        (
            lambda p: optim.SGD([("p", p), torch.ones(1)]),
            ValueError,
            "all optimizer params should be with/without names. Some param names are missing",
        ),
        (
            lambda p: optim.Optimizer([p], {"lr": base.required}),
            ValueError,
            "parameter group didn't specify a value of required optimization parameter lr",
        ),
        (lambda p: optim.SGD([p], lr=-0.1), ValueError, "Invalid learning rate: -0.1"),
        (
            lambda p: optim.SGD([p], nesterov=True),
            ValueError,
            "Nesterov momentum requires a momentum and zero dampening",
        ),
        (lambda p: optim.Adam([p], betas=(0.9, 1.0)), ValueError, "Invalid beta parameter at index 1: 1.0"),
        (lambda p: optim.Adam([p], betas=(0, 0.9)), ValueError, "betas must be either both floats or both Tensors"),
        (
            lambda p: optim.SGD([p]).load_state_dict({"state": {}, "param_groups": []}),
            ValueError,
            "loaded state dict has a different number of parameter groups",
        ),
        (lambda p: optim.NoSuch, AttributeError, "module 'rushlight.optim' has no attribute 'NoSuch'"),
        (lambda p: schedules.StepLR(3, 1), TypeError, "int is not an Optimizer"),
        (
            lambda p: schedules.OneCycleLR(optim.SGD([p]), 0.1),
            ValueError,
            "You must define either total_steps OR (epochs AND steps_per_epoch)",
        ),
    ],
)
def test_errors_say_what_pytorch_says(make, error, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error) as caught:
            make(torch.nn.Parameter(torch.ones(2)))
    assert str(caught.value) == message


# ---------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("name", NAMES)
def test_checkpoint_resumes_exactly(name):
    options = next(options for its, options, _ in RECORDED if its == name)
    whole, _ = descend(torch, name, options, steps=6)
    # Resume by copying: deepcopy and pickle carry parameters, state and options together.
    _, optimizer = descend(torch, name, options, steps=3)
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        fresh = getattr(optim, name)(twin.param_groups[0]["params"])
        fresh.load_state_dict(twin.state_dict())
        closure = quadratic(torch, fresh)
        for _ in range(3):
            fresh.step(closure)
        # Not to the bit: loading casts NAdam's float32 mu_product to its parameter's dtype, as PyTorch does.
        assert numbers(fresh) == pytest.approx(whole, rel=1e-6)


def test_checkpoints_cross_to_pytorch_and_back():
    oracle = pytest.importorskip("torch")
    for name in ("SGD", "Adam"):
        options = dict(lr=0.1, momentum=0.9) if name == "SGD" else dict(lr=0.1)
        _, ours = descend(torch, name, options)
        _, theirs = descend(oracle, name, options)

        def plain(value):
            if hasattr(value, "tolist"):
                return str(value.dtype), value.tolist()
            if isinstance(value, dict):
                return {key: plain(item) for key, item in value.items()}
            return [plain(item) for item in value] if isinstance(value, list) else value

        mine, its = plain(ours.state_dict()), plain(theirs.state_dict())
        assert mine["param_groups"] == its["param_groups"]
        for key, entry in mine["state"].items():
            assert list(entry) == list(its["state"][key])
            for slot, (dtype, values) in entry.items():
                assert dtype == its["state"][key][slot][0] and values == pytest.approx(its["state"][key][slot][1])


def test_loading_casts_state_to_its_parameter_but_not_the_step():
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = optim.Adam([p])
    p.grad = torch.ones(2)
    optimizer.step()
    double = optim.Adam([torch.nn.Parameter(torch.ones(2, dtype=torch.float64))])
    double.load_state_dict(optimizer.state_dict())
    (entry,) = double.state.values()
    assert entry["exp_avg"].dtype == torch.float64
    assert entry["step"].dtype == torch.float32 and entry["step"].item() == 1.0


# ---------------------------------------------------------------- hooks


def test_step_hooks():
    log = []
    p = torch.nn.Parameter(torch.ones(1))
    optimizer = optim.SGD([p], lr=0.1)
    scheduler = schedules.StepLR(optimizer, 1)  # takes hold of optimizer.step before the hooks do
    handles = [
        optimizer.register_step_pre_hook(lambda its, args, kwargs: log.append(("before", its, args, kwargs))),
        optimizer.register_step_post_hook(lambda its, args, kwargs: log.append(("after", its))),
        base.register_optimizer_step_pre_hook(lambda its, args, kwargs: log.append(("all", its))),
    ]
    optimizer.step()
    scheduler.step()
    assert log == [("all", optimizer), ("before", optimizer, (optimizer,), {}), ("after", optimizer)]
    log.clear()
    adam = optim.Adam([p])
    adam.step()
    assert log == [("all", adam)]
    for handle in handles:
        handle.remove()
    log.clear()
    optimizer.step()
    assert log == []


def test_state_dict_hooks():
    optimizer = optim.SGD([torch.nn.Parameter(torch.ones(1))])
    optimizer.register_state_dict_post_hook(lambda its, state: {**state, "note": 1})
    seen = []
    optimizer.register_load_state_dict_pre_hook(lambda its, state: seen.append(state["note"]))
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == [1]


# ---------------------------------------------------------------- schedules


def rates(make, steps, **options):
    optimizer = optim.SGD([torch.nn.Parameter(torch.ones(1))], **{"lr": 0.1, "momentum": 0.9, **options})
    scheduler = make(optimizer)
    seen = []
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        seen += scheduler.get_last_lr()
    return seen


# The first six rates of each schedule in PyTorch 2.13, from 0.1.
SCHEDULES = [
    ("StepLR", dict(step_size=2), [0.1, 0.01, 0.01, 0.001, 0.001, 0.0001]),
    ("MultiStepLR", dict(milestones=[2, 4, 4]), [0.1, 0.01, 0.01, 0.0001, 0.0001, 0.0001]),
    ("ConstantLR", dict(total_iters=3), [0.03333333333, 0.03333333333, 0.1, 0.1, 0.1, 0.1]),
    ("LinearLR", dict(), [0.04666666667, 0.06, 0.07333333333, 0.08666666667, 0.1, 0.1]),
    ("ExponentialLR", dict(gamma=0.9), [0.09, 0.081, 0.0729, 0.06561, 0.059049, 0.0531441]),
    ("PolynomialLR", dict(power=2.0), [0.064, 0.036, 0.016, 0.004, 0.0, 0.0]),
    ("CosineAnnealingLR", dict(T_max=3, eta_min=0.01), [0.0775, 0.0325, 0.01, 0.0325, 0.0775, 0.1]),
    ("CosineAnnealingWarmRestarts", dict(T_0=2, T_mult=2), [0.05, 0.1, 0.08535533906, 0.05, 0.01464466094, 0.1]),
    ("CyclicLR", dict(base_lr=0.01, max_lr=0.1, step_size_up=2, mode="triangular2"),
     [0.055, 0.1, 0.055, 0.01, 0.0325, 0.055]),
    ("OneCycleLR", dict(max_lr=0.5, total_steps=10), [0.26, 0.5, 0.475242316, 0.405872827, 0.305631011, 0.194370989]),
]  # fmt: skip


@pytest.mark.parametrize("name, options, expected", SCHEDULES)
def test_schedules_follow_pytorch(name, options, expected):
    assert rates(lambda optimizer: getattr(schedules, name)(optimizer, **options), 6) == pytest.approx(expected)


def test_schedules_of_schedules():
    def chained(optimizer):
        parts = [schedules.ConstantLR(optimizer, 0.1, 2), schedules.ExponentialLR(optimizer, 0.9)]
        return schedules.ChainedScheduler(parts)

    def sequential(optimizer):
        parts = [schedules.ConstantLR(optimizer, 0.1, 2), schedules.ExponentialLR(optimizer, 0.9)]
        return schedules.SequentialLR(optimizer, parts, milestones=[3])

    assert rates(chained, 4) == pytest.approx([0.009, 0.081, 0.0729, 0.06561])
    assert rates(sequential, 5) == pytest.approx([0.01, 0.1, 0.1, 0.09, 0.081])


def test_plateau():
    optimizer = optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler = schedules.ReduceLROnPlateau(optimizer, patience=1, factor=0.5, cooldown=1)
    seen = []
    for metric in (1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9):
        scheduler.step(torch.tensor(metric))
        seen += scheduler.get_last_lr()
    assert seen == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]


def test_tensor_rates_are_written_in_place():
    rate = torch.tensor(0.5)
    optimizer = optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=rate)
    scheduler = schedules.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate and rate.item() == 0.25
    assert scheduler.base_lrs[0].item() == 0.5


def test_order_of_steps_is_watched():
    optimizer = optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    scheduler = schedules.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match="before `optimizer.step\\(\\)`") as caught:
        scheduler.step()
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()
        again = schedules.StepLR(optimizer, 1)
        optimizer.step()
        again.step()


@pytest.mark.parametrize("name, options, _", SCHEDULES)
def test_schedule_checkpoint_resumes(name, options, _):
    def steps(scheduler, count):
        seen = []
        for _ in range(count):
            optimizer.step()
            scheduler.step()
            seen += scheduler.get_last_lr()
        return seen

    make = getattr(schedules, name)
    optimizer = optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1, momentum=0.9)
    scheduler = make(optimizer, **options)
    steps(scheduler, 3)
    saved = copy.deepcopy(scheduler.state_dict()), copy.deepcopy(optimizer.state_dict())
    rest = steps(scheduler, 3)
    optimizer = optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1, momentum=0.9)
    scheduler = make(optimizer, **options)
    scheduler.load_state_dict(saved[0])
    optimizer.load_state_dict(saved[1])
    assert steps(scheduler, 3) == rest


# ---------------------------------------------------------------- the package


def test_names_and_lazy_imports():
    assert {*NAMES, "Optimizer", "lr_scheduler", "swa_utils"} <= set(optim.__all__)
    program = (
        "import sys, rushlight; rushlight.optim.SGD; "
        "print(*sorted(name for name in sys.modules if name.startswith('rushlight.optim')))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert [name.removeprefix("rushlight.optim") for name in loaded] == ["", "._pertensor", ".optimizer", ".sgd"]


def test_averaged_model():
    from rushlight.optim import swa_utils

    model = torch.nn.Linear(2, 1)
    average = swa_utils.AveragedModel(model)
    total = torch.zeros(1, 2)
    for value in (1.0, 2.0, 6.0):
        with torch.no_grad():
            model.weight.fill_(value)
        average.update_parameters(model)
        total += value
    assert average.module.weight.tolist() == (total / 3).tolist()
    assert average.n_averaged.item() == 3
