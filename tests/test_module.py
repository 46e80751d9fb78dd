"""nn.Module: attributes, calls, errors, walks, conversion, repr; its surface against PyTorch's."""

import inspect
import pickle
from collections import OrderedDict

import pytest
from toy_modules import Affine, Fails, Net, X

import rushlight as torch
from rushlight import nn

# ---------------------------------------------------------------- attributes


def test_instance_dict_and_order_of_registration():
    net = Net()
    assert list(vars(net))[:2] == ["training", "_parameters"]
    assert list(net._modules) == ["body", "head"]
    assert [name for name, _ in net.named_parameters()] == [
        f"{path}.{name}" for path in ("body.0", "body.1", "head") for name in ("scale", "shift")
    ]
    assert [name for name, _ in net.named_buffers()] == ["seen", "cache"]


def test_missing_attribute_says_so_as_in_pytorch():
    net = Net()
    with pytest.raises(AttributeError, match="^'Net' object has no attribute 'hed'$") as caught:
        _ = net.hed
    assert caught.value.name == "hed" and caught.value.obj is net
    with pytest.raises(AttributeError, match="^'Net' object has no attribute 'hed'$"):
        nn.Module.__getattr__(net, "hed")
    assert not hasattr(net, "hed") and getattr(net, "hed", 5) == 5


def test_property_that_fails_keeps_its_error_as_context():
    class Lies(nn.Module):
        @property
        def size(self):
            return self.nowhere

    with pytest.raises(AttributeError, match="'Lies' object has no attribute 'size'") as caught:
        _ = Lies().size
    assert "nowhere" in str(caught.value.__context__)


def test_user_getattr_delegates():
    class Wrapper(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

        def __getattr__(self, name):
            if name == "magic":
                return 42
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(self.module, name)

    wrapper = Wrapper(Net())
    assert wrapper.magic == 42
    assert wrapper.head is wrapper.module.head
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'nothing'"):
        _ = wrapper.nothing


def test_getattribute_override_is_honoured():
    class Spy(Affine):
        def __getattribute__(self, name):
            return "spied" if name == "secret" else super().__getattribute__(name)

    spy = Spy()
    assert spy.secret == "spied" and spy.scale is spy._parameters["scale"]
    assert spy(X).tolist() == [3.0, 5.0]


def test_class_changed_after_first_instance():
    class Late(Affine):
        pass

    layer = Late()
    assert layer(X).tolist() == [3.0, 5.0]
    Late.__getattr__ = lambda self, name: ("late", name)
    assert layer.anything == ("late", "anything")
    del Late.__getattr__
    Late.__call__ = lambda self, x, by=1: ("called", by)
    assert layer(X, by=3) == ("called", 3) and Late()(X) == ("called", 1)
    del Late.__call__
    assert layer(X).tolist() == [3.0, 5.0]
    Late.forward = lambda self, x: "forward"
    assert layer(X) == "forward"


def test_assignment_moves_a_name_between_registries():
    module = nn.Module()
    module.a = None
    module.a = nn.Parameter(torch.ones(1))
    assert list(module._parameters) == ["a"] and "a" not in vars(module)
    module.a = None
    assert module._parameters == {"a": None} and module.a is None
    module.b = 5
    module.b = Affine()
    assert "b" not in vars(module) and list(module._modules) == ["b"]
    module.b = nn.Parameter(torch.ones(1))
    assert not module._modules and list(module._parameters) == ["a", "b"]
    module.c = torch.ones(1)
    assert "c" in vars(module)
    module.register_buffer("d", None)
    module.d = torch.ones(1)
    assert module._buffers["d"] is module.d
    del module.d, module.b, module.c
    assert not hasattr(module, "d") and not hasattr(module, "b") and not hasattr(module, "c")
    with pytest.raises(AttributeError):
        del module.nothing


def test_buffer_class():
    module = nn.Module()
    module.a = nn.Buffer(torch.ones(1))
    module.b = nn.Buffer(torch.ones(1), persistent=False)
    assert isinstance(module.a, nn.Buffer) and list(module.state_dict()) == ["a"]
    assert [name for name, _ in module.named_buffers()] == ["a", "b"]


def test_object_setattr_holds_a_module_without_registering_it():
    net = Net()
    object.__setattr__(net, "parent", net.head)
    assert net.parent is net.head and "parent" not in net._modules
    object.__setattr__(net.head, "forward", lambda x: "own")
    assert net.head(X) == "own"


def test_registries_may_be_replaced():
    net = Net()
    net._modules = OrderedDict(only=Affine())
    assert net.only is net._modules["only"] and not hasattr(net, "head")
    net._modules.move_to_end("only")
    vars(net)["_modules"] = {"other": Affine()}
    assert hasattr(net, "other") and [name for name, _ in net.named_children()] == ["other"]
    net.__dict__ = vars(Net())
    assert hasattr(net, "head") and len(list(net.parameters())) == 6


@pytest.mark.parametrize("value", [lambda: nn.Parameter(torch.ones(1)), lambda: Affine()])
def test_assignment_before_init(value):
    class Hasty(nn.Module):
        def __init__(self):
            self.plain = 1
            self.thing = value()

    with pytest.raises(AttributeError, match=r"cannot assign (parameters|module) before Module.__init__\(\) call"):
        Hasty()


def test_init_arguments():
    with pytest.raises(TypeError, match=r"Module.__init__\(\) got an unexpected keyword argument 'a'"):
        nn.Module(a=1)
    with pytest.raises(TypeError, match=r"Module.__init__\(\) takes 1 positional argument but 3 were given"):
        nn.Module(1, 2)

    class Other:
        def __init__(self, tag):
            self.tag = tag

    class Both(nn.Module, Other):
        call_super_init = True

    assert Both(tag=3).tag == 3


def test_init_subclass_of_a_mixin_still_runs():
    seen = []

    class Registry:
        def __init_subclass__(cls, tag=None, **kwargs):
            seen.append(tag)

    class Tagged(nn.Module, Registry, tag="t"):
        def forward(self, x):
            return x

    assert seen == ["t"] and Tagged()(1) == 1


# ---------------------------------------------------------------- calls


def test_call_passes_arguments_through():
    class Echo(nn.Module):
        def forward(self, *args, **kwargs):
            return args, kwargs

    echo = Echo()
    assert echo() == ((), {})
    assert echo(1, 2, k=3) == ((1, 2), {"k": 3})
    assert echo(*range(20), **{f"k{i}": i for i in range(9)}) == (tuple(range(20)), {f"k{i}": i for i in range(9)})
    assert echo._call_impl(1, k=2) == echo.__call__(1, k=2) == echo._wrapped_call_impl(1, k=2) == ((1,), {"k": 2})
    assert list(map(echo, [1])) == [((1,), {})]


def test_forward_of_every_kind():
    class Static(nn.Module):
        @staticmethod
        def forward(x):
            return x, "static"

    class Kind(nn.Module):
        @classmethod
        def forward(cls, x):
            return cls.__name__, x

    assert Static()(1) == (1, "static") and Kind()(1) == ("Kind", 1)
    layer = Affine()
    layer.forward = lambda x: ("own", x)
    assert layer(1) == ("own", 1)
    with pytest.raises(NotImplementedError, match=r'Module \[Module\] is missing the required "forward" function'):
        nn.Module()(1)


def test_signature():
    assert str(inspect.signature(Affine())) == "(*args, **kwargs)"
    assert str(inspect.signature(Affine)) == "(scale=2.0, shift=1.0)"
    assert str(inspect.signature(Net().__class__)) == "()" and str(inspect.signature(nn.Module)) == "(*args, **kwargs)"


def test_call_patched_on_module_itself(monkeypatch):
    native, calls, layer = nn.Module.__call__, [], Affine()

    def patched(self, *args, **kwargs):
        calls.append(self)
        return native(self, *args, **kwargs)

    monkeypatch.setattr(nn.Module, "__call__", patched, raising=False)
    assert layer(X).tolist() == Affine()(X).tolist() and len(calls) == 2
    monkeypatch.undo()
    assert layer(X).tolist() == [3.0, 5.0] and len(calls) == 2


def test_class_of_an_instance_changed():
    layer = Affine()
    layer.__class__ = type("Other", (Affine,), {"scale": property(lambda self: 10)})
    assert layer.scale == 10 and layer(X).tolist() == [11.0, 21.0]


def test_call_overridden():
    class Loud(Affine):
        def __call__(self, x, *, times=1):
            return [super(Loud, self).__call__(x) for _ in range(times)]

    class Louder(Loud):
        pass

    assert len(Louder()(X, times=2)) == 2 and Louder()(X)[0].tolist() == [3.0, 5.0]


def test_instance_made_without_init():
    layer = object.__new__(Affine)
    with pytest.raises(AttributeError):
        _ = layer.scale
    layer.__setstate__(Affine().__getstate__())
    assert layer(X).tolist() == [3.0, 5.0]


def test_sequential_forward():
    net = nn.Sequential(Affine(), Affine())
    assert net(X).tolist() == net.forward(X).tolist() == net(input=X).tolist() == [7.0, 11.0]
    assert nn.Sequential()(5) == 5
    with pytest.raises(TypeError, match=r"Sequential.forward\(\) takes 2 positional arguments but 3 were given"):
        net(X, X)
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'input'"):
        net()

    class Grows(nn.Module):
        def forward(self, x):
            rows.append(Affine())
            return x

    rows = nn.Sequential(Grows(), Affine())
    with pytest.raises(RuntimeError, match="changed size during iteration"):
        rows(X)


# ---------------------------------------------------------------- errors name the layer


def test_error_names_the_layer_once():
    net = Net()
    net.body.append(nn.Sequential(Fails(ValueError("no"))))
    with pytest.raises(ValueError, match="no") as caught:
        net(X)
    assert str(caught.value) == "no"
    assert caught.value.__notes__ == ["in Net.body.2.0: Fails()"]
    with pytest.raises(TypeError) as caught:
        net.head(None)
    assert caught.value.__notes__ == ["in Affine(affine)"]
    copied = pickle.loads(pickle.dumps(caught.value))
    assert type(copied.__notes__[0]) is str


def test_error_note_where_the_layer_is_called_past_its_parent_or_from_a_list():
    class Skips(nn.Module):
        def __init__(self, error):
            super().__init__()
            self.block = nn.ModuleList([Fails(error)])
            self.hidden = [Fails(error)]

        def forward(self, x):
            return self.hidden[0](x) if x is None else self.block[0](x)

    with pytest.raises(ValueError) as caught:
        Skips(ValueError())(1)
    assert caught.value.__notes__ == ["in Skips.block.0: Fails()"]
    with pytest.raises(ValueError) as caught:
        Skips(ValueError())(None)
    assert caught.value.__notes__ == ["in Fails()"]


@pytest.mark.parametrize("error", [StopIteration, KeyboardInterrupt, GeneratorExit, SystemExit])
def test_control_flow_gets_no_note(error):
    with pytest.raises(error) as caught:
        nn.Sequential(Fails(error()))(1)
    assert not hasattr(caught.value, "__notes__")


def test_note_never_masks_the_error():
    class Broken(Fails):
        def extra_repr(self):
            raise RuntimeError("repr")

    with pytest.raises(ValueError, match="real"):
        Broken(ValueError("real"))(1)


def test_endless_recursion_is_an_error():
    class Ouroboros(nn.Module):
        def forward(self, x):
            return self(x)

    with pytest.raises(RecursionError):
        Ouroboros()(1)
    loop = nn.Module()
    loop.self = loop
    with pytest.raises(RecursionError):
        loop.train()


# ---------------------------------------------------------------- train, walks, gradients


def test_train_and_eval():
    net = Net()
    assert net.eval() is net and not any(m.training for m in net.modules())
    assert net.train() is net and all(m.training for m in net.modules())
    net.train(mode=False)
    assert not net.head.training
    with pytest.raises(ValueError, match="training mode is expected to be boolean"):
        net.train(1)
    with pytest.raises(TypeError):
        net.train(True, False)


def test_train_override_is_called_once_per_child():
    calls = []

    class Frozen(Affine):
        def train(self, mode=True):
            calls.append(mode)
            return super().train(False)

    net = nn.Module()
    net.a = net.b = Frozen()
    net.none = None
    net.register_module("empty", None)
    net.train()
    assert calls == [True] and net.training and not net.a.training
    net.a.eval()
    assert calls == [True, False]


def test_training_property():
    class Always(nn.Module):
        @property
        def training(self):
            return "always"

        @training.setter
        def training(self, mode):
            self.asked = mode

    module = Always()
    nn.Sequential(module).eval()
    assert module.training == "always" and module.asked is False


def test_walks_share_and_repeat():
    net, shared = nn.Module(), Affine()
    net.a, net.b, net.c = shared, shared, None
    net.tied = shared.scale
    assert [n for n, _ in net.named_modules()] == ["", "a"]
    assert [n for n, _ in net.named_modules(prefix="p", remove_duplicate=False)] == ["p", "p.a", "p.b"]
    assert [n for n, _ in net.named_parameters()] == ["tied", "a.shift"]
    assert len(list(net.named_parameters(remove_duplicate=False))) == 5
    assert [n for n, _ in net.named_parameters(prefix="x", recurse=False)] == ["x.tied"]
    assert list(net.parameters(recurse=False)) == [shared.scale]
    assert list(net.children()) == [shared] and len(list(net.modules())) == 2
    assert type(net.parameters()).__name__ == "generator"


def test_overridden_walks_are_followed():
    class Hides(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Affine()

        def named_modules(self, memo=None, prefix="", remove_duplicate=True):
            yield prefix, self

        def forward(self, x):
            return self.inner(x)

    assert [n for n, _ in nn.Sequential(Affine(), Hides()).named_parameters()] == ["0.scale", "0.shift"]

    class Doubles(Affine):
        def named_parameters(self, *args, **kwargs):
            yield "only", self.scale

    assert len(list(Doubles().parameters())) == 1


def test_zero_grad():
    net = Net()
    net(X).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all(p.grad.item() == 0 for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_apply_and_requires_grad():
    seen = []
    net = Net()
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Affine", "Affine", "Sequential", "Affine", "Net"]
    with pytest.raises(ZeroDivisionError):
        net.apply(lambda m: 1 / 0)
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())


def test_apply_asks_what_a_class_overrides():
    class Closed(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.ReLU()

        def apply(self, fn):
            fn("closed")
            return self

    class Hidden(Closed):
        apply = nn.Module.apply

        def children(self):
            return iter([nn.Tanh()])

    seen = []
    nn.Sequential(Closed(), Hidden()).apply(lambda m: seen.append(m if m == "closed" else type(m).__name__))
    assert seen == ["closed", "Tanh", "Hidden", "Sequential"]


def test_conversion_keeps_parameters_and_converts_gradients():
    net = Net()
    net.register_buffer("count", torch.zeros(1, dtype=torch.int64))
    before = list(net.parameters())
    net(X).sum().backward()
    assert net.double() is net and net.to(torch.float64) is net
    assert all(a is b for a, b in zip(before, net.parameters(), strict=True))
    assert net.head.scale.dtype == net.head.scale.grad.dtype == net.seen.dtype == torch.float64
    assert net.count.dtype == torch.int64
    assert net.to("cpu", torch.float32).head.scale.dtype == torch.float32
    assert net.to(torch.ones(1, dtype=torch.float64)).head.scale.dtype == torch.float64
    assert net.to(dtype=torch.float32, device=torch.device("cpu")).float().cpu() is net
    with pytest.raises(TypeError, match="nn.Module.to only accepts floating point or complex dtypes"):
        net.to(torch.int32)
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        net.cuda()
    assert nn.Module().cuda() is not None
    assert net.to("meta").head.scale.is_meta
    assert not net.to_empty(device="cpu").head.scale.is_meta


# ---------------------------------------------------------------- paths, refusals, repr


def test_paths():
    net = Net()
    assert net.get_submodule("body.1") is net.body[1] and net.get_submodule("") is net
    assert net.get_parameter("head.scale") is net.head.scale and net.get_buffer("seen") is net.seen
    net.set_submodule("body.0", nn.Identity())
    assert type(net.body[0]) is nn.Identity
    for call, message in [
        (lambda: net.get_submodule("body.9"), "Sequential has no attribute `9`"),
        (lambda: net.get_submodule("seen"), "`seen` is not an nn.Module"),
        (lambda: net.get_parameter("head.forward"), "`forward` is not an nn.Parameter"),
        (lambda: net.get_buffer("head.scale"), "`scale` is not a buffer"),
        (lambda: net.set_submodule("body.9", net, strict=True), "Sequential has no attribute `9`"),
    ]:
        with pytest.raises(AttributeError, match=message):
            call()


def test_registration_refusals():
    net = Net()
    for call, error, message in [
        (lambda: net.register_parameter("a.b", None), KeyError, "parameter name can't contain"),
        (lambda: net.register_parameter("", None), KeyError, "parameter name can't be empty string"),
        (lambda: net.register_parameter("head", None), KeyError, "attribute 'head' already exists"),
        (lambda: net.register_parameter(1, None), TypeError, "parameter name should be a string. Got int"),
        (lambda: net.register_parameter("p", torch.ones(1)), TypeError, "(torch.nn.Parameter or None required)"),
        (lambda: net.register_buffer("b", 3), TypeError, "cannot assign 'int' object to buffer 'b'"),
        (lambda: net.register_buffer("forward", None), KeyError, "attribute 'forward' already exists"),
        (lambda: net.add_module("m", 3), TypeError, "is not a Module subclass"),
        (lambda: net.add_module("a.b", None), KeyError, "module name can't contain"),
        (lambda: setattr(net, "head", 3), TypeError, "cannot assign 'int' as child module 'head'"),
        (lambda: setattr(net, "seen", 3), TypeError, "cannot assign 'int' as buffer 'seen'"),
        (lambda: setattr(net.head, "scale", 3), TypeError, "cannot assign 'int' as parameter 'scale'"),
    ]:
        with pytest.raises(error) as caught:
            call()
        assert message in caught.value.args[0]


def test_repr():
    assert repr(Net()) == (
        "Net(\n"
        "  (body): Sequential(\n"
        "    (0): Affine(affine)\n"
        "    (1): Affine(affine)\n"
        "  )\n"
        "  (head): Affine(affine)\n"
        ")"
    )
    assert repr(nn.Module()) == "Module()" and repr(nn.ModuleList()) == "ModuleList()"
    rows = nn.ModuleList([Affine(), Affine(), Net(), Net(), nn.Identity()])
    assert repr(rows).startswith("ModuleList(\n  (0-1): 2 x Affine(affine)\n  (2-3): 2 x Net(\n    (body): Seq")
    assert repr(rows).endswith("  (4): Identity()\n)")


def test_dir():
    net = nn.Sequential(Affine())
    names = dir(net)
    assert "forward" in names and "training" in names and "0" not in names
    assert {"scale", "shift"} <= set(dir(net[0]))


# ---------------------------------------------------------------- against PyTorch


def _surface(nn_):
    return {name for name in dir(nn_.Module) if not name.startswith("__")}


def test_module_has_pytorchs_surface():
    pytorch = pytest.importorskip("torch")
    internal = {"_maybe_warn_non_full_backward_hook", "_slow_forward", "T_destination"}
    assert _surface(pytorch.nn) - _surface(nn) <= internal
    for container in ("Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"):
        theirs = {name for name in dir(getattr(pytorch.nn, container)) if name[0] != "_"}
        assert theirs - set(dir(getattr(nn, container))) <= {"T_destination"}


def test_containers_follow_methods_that_are_changed():
    class Backwards(nn.Sequential):
        def __iter__(self):
            return iter(list(self._modules.values())[::-1])

        def __len__(self):
            return 7

    row = Backwards(nn.ReLU(), nn.Tanh())
    assert [type(m).__name__ for m in row] == ["Tanh", "ReLU"]
    assert len(row) == 7

    class Plain(nn.ModuleList):
        pass

    plain = Plain([nn.ReLU()])
    assert len(plain) == 1 and [type(m) for m in plain] == [nn.ReLU] and type(plain[0]) is nn.ReLU
    Plain.__len__ = lambda self: 9
    Plain.__iter__ = lambda self: iter("ab")
    assert len(plain) == 9 and list(plain) == ["a", "b"]
    assert len(Plain([nn.ReLU()])) == 9


def test_children_of_a_class_with_names_of_its_own():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.ReLU()

        def named_children(self):
            yield "other", nn.Tanh()

    assert [type(m) for m in Named().children()] == [nn.Tanh]
    shared = nn.ReLU()
    many = nn.Sequential(*[shared] * 3, *[nn.ReLU() for _ in range(70)])
    assert len(list(many.children())) == 71
    assert next(many.children()) is shared
