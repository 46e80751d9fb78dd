"""nn.Module: hooks, saving and loading, copies; the containers and lazy modules."""

import copy
import gc
import pickle
import weakref
from collections import OrderedDict

import pytest
from toy_modules import Affine, Fails, Net, X

import rushlight as torch
from rushlight import nn

# ---------------------------------------------------------------- hooks


def test_forward_hooks():
    layer, log = Affine(), []
    assert isinstance(layer._forward_hooks, OrderedDict) and not layer._forward_hooks
    pre = layer.register_forward_pre_hook(lambda m, args: log.append("pre") or (args[0] + 1,))
    post = layer.register_forward_hook(lambda m, args, out: log.append("post") or out * 10)
    first = layer.register_forward_pre_hook(lambda m, args: log.append("first"), prepend=True)
    assert layer(X).tolist() == [50.0, 70.0] and log == ["first", "pre", "post"]
    for handle in (pre, post, first):
        handle.remove()
    assert layer(X).tolist() == [3.0, 5.0] and len(log) == 3


def test_hooks_with_kwargs():
    class Add(nn.Module):
        def forward(self, x, *, y=0):
            return x + y

    layer = Add()
    layer.register_forward_pre_hook(lambda m, args, kwargs: (args, {"y": kwargs["y"] + 1}), with_kwargs=True)
    layer.register_forward_hook(lambda m, args, kwargs, out: (out, kwargs), with_kwargs=True)
    assert layer(1, y=2) == (4, {"y": 3})
    layer.register_forward_pre_hook(lambda m, args, kwargs: 5, with_kwargs=True)
    with pytest.raises(RuntimeError, match="forward pre-hook must return None or a tuple of"):
        layer(1, y=2)


def test_always_called_hook():
    layer, log = Fails(ValueError("real")), []

    def hook(module, args, out):
        log.append(out)
        raise RuntimeError("silenced")

    layer.register_forward_hook(hook, always_call=True)
    with pytest.warns(UserWarning, match="silenced"), pytest.raises(ValueError, match="real"):
        layer(1)
    assert log == [None]


def test_hook_dict_written_directly():
    layer = Affine()
    layer._forward_hooks[0] = lambda m, args, out: "direct"
    assert layer(X) == "direct"
    other = copy.copy(Affine())
    other.__dict__.update(layer.__dict__)
    assert other(X) == "direct"
    del layer._forward_hooks[0]
    assert layer(X).tolist() == [3.0, 5.0]


def _plus_hundred(module, args, out):
    return out + 100


def test_hooks_survive_copies():
    layer = Affine()
    handle = layer.register_forward_hook(_plus_hundred)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), copy.copy(layer)):
        assert twin(X).tolist() == [103.0, 105.0]
    twin = copy.deepcopy(layer)
    handle.remove()
    assert layer(X).tolist() == [3.0, 5.0] and twin(X).tolist() == [103.0, 105.0]


def test_global_hooks():
    from rushlight.nn.modules import module as namespace

    seen = []
    layer = Affine()
    handles = [
        namespace.register_module_forward_pre_hook(lambda m, args: seen.append("pre")),
        namespace.register_module_forward_hook(lambda m, args, out: seen.append("post")),
    ]
    try:
        layer(X)
    finally:
        for handle in handles:
            handle.remove()
    assert seen == ["pre", "post"]
    layer(X)
    assert len(seen) == 2
    with namespace.register_module_module_registration_hook(lambda m, name, child: nn.Identity()):
        parent = nn.Module()
        parent.child = layer
    assert type(parent.child) is nn.Identity
    with namespace.register_module_parameter_registration_hook(lambda m, name, p: seen.append(name)):
        parent.p = nn.Parameter(torch.ones(1))
    assert seen[-1] == "p"


def test_backward_hooks():
    layer, log = Affine(), []
    layer.register_full_backward_pre_hook(lambda m, grads: log.append("pre") or (grads[0] * 2,))
    layer.register_full_backward_hook(lambda m, gin, gout: log.append((gin[0].tolist(), gout[0].tolist())))
    x = torch.ones(1, requires_grad=True)
    layer(x).backward()
    assert log == ["pre", ([4.0], [2.0])] and x.grad.tolist() == [4.0]
    with pytest.raises(RuntimeError, match="Cannot use both regular backward hooks and full backward hooks"):
        layer.register_backward_hook(lambda *a: None)


def test_backward_hook_may_replace_the_gradient():
    layer = Affine()
    layer.register_full_backward_hook(lambda m, gin, gout: (gin[0] * 10,))
    x = torch.ones(1, requires_grad=True)
    layer(x).backward()
    assert x.grad.tolist() == [20.0]
    layer.register_full_backward_hook(lambda m, gin, gout: (None, None))
    with pytest.raises(RuntimeError, match="invalid number of grad_input, got 2, but expected 1"):
        layer(x).backward()


def test_backward_hook_without_input_gradient():
    layer, log = Affine(), []
    layer.register_full_backward_hook(lambda m, gin, gout: log.append((gin, gout[0].tolist())))
    with pytest.warns(UserWarning, match="no inputs require gradients"):
        layer(torch.ones(1)).backward()
    assert log == [((None,), [1.0])] and layer.scale.grad.tolist() == [1.0]


def test_legacy_backward_hook():
    layer, log = Affine(), []
    layer.register_backward_hook(lambda m, gin, gout: log.append((m is layer, gout[0].tolist())))
    with pytest.warns(FutureWarning, match="forward contains multiple autograd Nodes"):
        layer(torch.ones(1, requires_grad=True)).backward()
    assert log == [(True, [1.0])]


# ---------------------------------------------------------------- state


def test_state_dict():
    net = Net()
    state = net.state_dict()
    keys = [f"{path}.{name}" for path in ("body.0", "body.1", "head") for name in ("scale", "shift")]
    assert type(state) is OrderedDict and list(state) == ["seen", *keys]
    assert list(state._metadata) == ["", "body", "body.0", "body.1", "head"] and state._metadata[""] == {"version": 1}
    assert not state["head.scale"].requires_grad and state["head.scale"].data_ptr() == net.head.scale.data_ptr()
    assert net.state_dict(keep_vars=True)["head.scale"] is net.head.scale
    assert list(net.head.state_dict(prefix="p.")) == ["p.scale", "p.shift"]


def test_load_state_dict():
    net, other = Net(), Net()
    with torch.no_grad():
        other.head.scale.fill_(9)
    keys = net.load_state_dict(other.state_dict())
    assert repr(keys) == str(keys) == "<All keys matched successfully>"
    missing, unexpected = keys
    assert (missing, unexpected) == ([], []) and net.head.scale.item() == 9
    param = net.head.scale
    net.load_state_dict(other.state_dict(), assign=True)
    assert net.head.scale is not param and isinstance(net.head.scale, nn.Parameter)


def test_load_state_dict_says_what_is_wrong():
    net = Net()
    state = net.state_dict()
    del state["head.scale"]
    state["more.x"] = state["other"] = torch.ones(1)
    state["body.0.scale"] = torch.ones(2, 3)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Net:\n"
        '\tMissing key(s) in state_dict: "head.scale". \n'
        '\tUnexpected key(s) in state_dict: "more.x", "other". \n'
        "\tsize mismatch for body.0.scale: copying a param with shape torch.Size([2, 3]) from checkpoint, "
        "the shape in current model is torch.Size([1])."
    )
    del state["body.0.scale"]
    keys = net.load_state_dict(state, strict=False)
    assert keys.missing_keys == ["body.0.scale", "head.scale"] and keys.unexpected_keys == ["more.x", "other"]
    assert repr(keys) == (
        "_IncompatibleKeys(missing_keys=['body.0.scale', 'head.scale'], unexpected_keys=['more.x', 'other'])"
    )
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like, got <class 'list'>."):
        net.load_state_dict([])


def test_a_state_that_fits_is_copied_whole():
    net, other = (nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)) for _ in range(2))
    other[1].num_batches_tracked.fill_(4)
    other[1].running_mean.fill_(0.5)
    kept, told = net[1].running_mean, []
    assert repr(net.load_state_dict(other.double().state_dict())) == "<All keys matched successfully>"
    assert net[1].num_batches_tracked.item() == 4 and kept.tolist() == [0.5] * 3 and kept.dtype == torch.float32
    assert torch.equal(net[0].weight, other[0].weight.float()) and net[0].weight.requires_grad
    net[0].register_load_state_dict_post_hook(lambda m, keys: told.append(m))
    net.load_state_dict(other.state_dict())
    assert told == [net[0]]
    net[0].weight = nn.Parameter(torch.zeros(1, 2).expand(3, 2))  # three rows in the place of one
    with pytest.raises(RuntimeError, match='While copying the parameter named "0.weight"'):
        net.load_state_dict(other.state_dict())


def test_extra_state_and_hooks():
    class Counts(Affine):
        count = 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    source, target, log = Counts(), Counts(), []
    source.count = 7
    source.register_state_dict_pre_hook(lambda m, prefix, keep_vars: log.append("pre"))
    source.register_state_dict_post_hook(lambda m, state, prefix, metadata: log.append("post"))
    target.register_load_state_dict_pre_hook(lambda m, state, *rest: log.append(m is target))
    target.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    state = source.state_dict()
    del state["shift"]
    target.load_state_dict(state)
    assert target.count == 7 and log == ["pre", "post", True]
    with pytest.raises(RuntimeError, match="never be called"):
        nn.Module().get_extra_state()


def test_old_layout_is_read_by_an_override():
    class Renamed(Affine):
        def _load_from_state_dict(self, state_dict, prefix, *rest):
            if prefix + "gain" in state_dict:
                state_dict[prefix + "scale"] = state_dict.pop(prefix + "gain")
            super()._load_from_state_dict(state_dict, prefix, *rest)

    net = nn.Sequential(Renamed())
    net.load_state_dict({"0.gain": torch.tensor([5.0]), "0.shift": torch.tensor([0.0])})
    assert net[0].scale.item() == 5


def test_copies():
    net = Net()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert twin.head.scale is not net.head.scale and twin(X).tolist() == net(X).tolist()
        assert twin._non_persistent_buffers_set == {"cache"}
    shallow = copy.copy(net)
    assert shallow.head is net.head


def test_modules_are_collected():
    net = Net()
    net.itself = [net]
    net.register_forward_hook(lambda m, args, out, held=net: None)
    gone = weakref.ref(net)
    net(X)
    del net
    gc.collect()
    assert gone() is None


# ---------------------------------------------------------------- containers


def test_sequential_is_a_sequence():
    a, b, c = Affine(1), Affine(2), Affine(3)
    net = nn.Sequential(OrderedDict(a=a, b=b, c=c))
    assert net.a is a and net[-1] is c and len(net) == 3 and list(net) == [a, b, c]
    assert list(net[1:]._modules) == ["b", "c"]
    net[0] = b
    assert net.a is b
    net = nn.Sequential(a, b, c)
    del net[0]
    assert list(net._modules.items()) == [("0", b), ("1", c)]
    assert net.pop(0) is b and list(net) == [c]
    assert list(net.append(a).extend([b]).insert(0, c)) == [c, c, a, b]
    assert list(nn.Sequential(a) + nn.Sequential(b)) == [a, b]
    assert list(nn.Sequential(a, b) * 2) == list(2 * nn.Sequential(a, b)) == [a, b, a, b]
    net = nn.Sequential(a)
    net += nn.Sequential(b)
    net *= 2
    assert list(net) == [a, b, a, b]
    with pytest.raises(IndexError, match="index 9 is out of range"):
        net[9]
    with pytest.raises(ValueError, match="add operator supports only objects of Sequential class"):
        net + [a]
    with pytest.raises(ValueError, match="Non-positive multiplication factor 0"):
        net * 0


def test_module_list_is_a_list():
    a, b, c = Affine(1), Affine(2), Affine(3)
    rows = nn.ModuleList([a, b])
    rows += [c]
    rows.insert(1, c)
    assert list(rows) == [a, c, b, c] and rows[-1] is c and list(rows[1:3]) == [c, b]
    assert rows.pop(-1) is c and list(rows + [a]) == [a, c, b, a]
    del rows[1]
    rows[0] = b
    assert list(rows) == [b, b] and list(rows._modules) == ["0", "1"]
    with pytest.raises(TypeError, match="ModuleList.extend should be called with an iterable, but got Affine"):
        rows.extend(a)
    with pytest.raises(NotImplementedError):
        rows(1)


def test_module_dict_is_a_dict():
    a, b = Affine(1), Affine(2)
    rows = nn.ModuleDict({"a": a})
    rows.update([("b", b)])
    rows["c"] = a
    assert list(rows) == list(rows.keys()) == ["a", "b", "c"] and "b" in rows and len(rows) == 3
    assert rows.pop("c") is a and list(rows.values()) == [a, b] and dict(rows.items()) == {"a": a, "b": b}
    rows.clear()
    assert not len(rows)
    with pytest.raises(ValueError, match="ModuleDict update sequence element #0 has length 1; 2 is required"):
        rows.update([("a",)])


def test_parameter_containers():
    plist = nn.ParameterList([torch.ones(2, 3), nn.Parameter(torch.ones(1)), "text"])
    plist.append(torch.zeros(1))
    assert len(plist) == 4 and isinstance(plist[0], nn.Parameter) and plist[-2] == "text"
    assert len(list(plist.parameters())) == 3 and len(plist[1:3]) == 2
    assert repr(plist).splitlines()[1] == "    (0): Parameter containing: [torch.float32 of size 2x3]"
    assert "(2): Object of type: str" in repr(plist)
    pdict = nn.ParameterDict({"b": torch.ones(1), "a": torch.ones(2)})
    assert list(pdict) == ["a", "b"] and pdict.get("z", 1) == 1 and "a" in pdict
    assert list((pdict | nn.ParameterDict({"c": 1})).keys()) == ["a", "b", "c"]
    assert pdict.popitem()[0] == "b" and len(list(pdict.parameters())) == 1
    pdict.setdefault("n", torch.ones(1))
    assert list(pdict.copy().keys()) == ["a", "n"] and next(reversed(pdict)) == "n"
    pdict.clear()
    assert len(pdict) == 0
    with pytest.raises(TypeError, match="cannot be used as a key as it is not a string"):
        pdict[1]
    with pytest.raises(RuntimeError, match="ParameterDict should not be called."):
        pdict(1)


# ---------------------------------------------------------------- lazy modules


class LazyScale(nn.modules.lazy.LazyModuleMixin, nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.UninitializedParameter()

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            with torch.no_grad():
                self.scale.materialize(x.shape)
                self.scale.fill_(2)

    def forward(self, x):
        return x * self.scale


def test_lazy_module():
    layer = LazyScale()
    assert repr(layer.scale) == "<UninitializedParameter>"
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter"):
        _ = layer.scale.shape
    assert layer(X).tolist() == [2.0, 4.0]
    assert type(layer.scale) is nn.Parameter and not layer._forward_pre_hooks
    other = LazyScale()
    other.load_state_dict(layer.state_dict())
    assert other.scale.tolist() == [2.0, 2.0]
