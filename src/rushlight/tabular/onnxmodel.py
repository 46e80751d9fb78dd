"""A fitted model as an ONNX graph (https://onnx.ai/onnx/operators): preprocessing, network, and what its outputs mean.

Inputs are named by what a row has: `numbers` (rows, columns) in double precision with NaN where a value is missing,
`texts` (rows, columns) of strings with "" where one is, or `images` (rows, channels, height, width).  Outputs are
`prediction` and, of a classifier, `probabilities`.  The metadata name the columns and classes, in their order.
"""

from __future__ import annotations

import json

from rushlight.tabular.arrays import bytes_of
from rushlight.tabular.errors import DataError
from rushlight.tabular.run import make_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rushlight.tabular.run import Run

OPSET, OPSET_ML, IR_VERSION = 20, 3, 9  # the first set that has Gelu, and what runtimes of its time read
# With the defaults of both sides, which are the same: alpha 0.01 and 1, the exact Gelu.
ACTIVATIONS = {
    "ReLU": "Relu",
    "Sigmoid": "Sigmoid",
    "Tanh": "Tanh",
    "GELU": "Gelu",
    "ELU": "Elu",
    "LeakyReLU": "LeakyRelu",
    "Softplus": "Softplus",
}


def onnx_model(run: Run) -> bytes:
    """The model's file; needs the onnx package, which also checks it."""
    try:
        import onnx
    except ImportError as error:
        raise DataError(f"--to onnx needs the onnx package ({error}): pip install 'rushlight[onnx]'") from None
    return Graph(onnx, run).serialized()


class Graph:
    """Nodes, constants, inputs and outputs, as they are added; values are known by their names."""

    def __init__(self, onnx: Any, run: Run) -> None:
        self.onnx, self.run, self.torch = onnx, run, run.torch
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.about: dict[str, Any] = {"target": run.target.name, "task": run.target.task}

    def serialized(self) -> bytes:
        helper = self.onnx.helper
        x = self.pixels() if self.run.preprocess.kind == "image" else self.columns()
        self.meaning(self.network(x))
        graph = helper.make_graph(self.nodes, "rushlight", self.inputs, self.outputs, self.constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", OPSET_ML)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="rushlight")
        helper.set_model_props(
            model, {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in self.about.items()}
        )
        self.onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()

    # What graphs are made of

    def node(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Applies an operator of one output, and returns its name."""
        name = f"{operator}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [name], name, domain=domain, **attributes))
        return name

    def constant(self, value: Any) -> str:
        """A tensor, or a list of strings or whole numbers, that belongs to the model."""
        name = f"constant_{len(self.constants)}"
        types, make = self.onnx.TensorProto, self.onnx.helper.make_tensor
        if isinstance(value, list):
            kind = types.STRING if isinstance(value[0], str) else types.INT64
            made = make(name, kind, [len(value)], [v.encode() for v in value] if kind == types.STRING else value)
        else:
            kind = {self.torch.float32: types.FLOAT, self.torch.float64: types.DOUBLE}[value.dtype]
            made = make(name, kind, list(value.shape), bytes(bytes_of(self.torch, value)), raw=True)
        self.constants.append(made)
        return name

    def double(self, values: list[float]) -> str:
        return self.constant(self.torch.tensor(values, dtype=self.torch.float64))

    def input(self, name: str, kind: int, *shape: Any) -> str:
        self.inputs.append(self.onnx.helper.make_tensor_value_info(name, kind, ["rows", *shape]))
        return name

    def output(self, name: str, value: str, kind: int, *shape: Any) -> None:
        """Gives a value the name of an output."""
        self.nodes.append(self.onnx.helper.make_node("Identity", [value], [name], name))
        self.outputs.append(self.onnx.helper.make_tensor_value_info(name, kind, ["rows", *shape]))

    # Preprocessing

    def pixels(self) -> str:
        preprocess, torch = self.run.preprocess, self.torch
        x = self.input("images", self.onnx.TensorProto.FLOAT, *preprocess.shape)
        offset, scale = (
            self.constant(torch.tensor(values).view(1, -1, 1, 1)) for values in (preprocess.offset, preprocess.scale)
        )
        return self.node("Div", self.node("Sub", x, offset), scale)

    def columns(self) -> str:
        """The network's input from columns: all numbers in one stroke, each text by a table, then put in order."""
        features = self.run.preprocess.features
        numbers = [feature for feature in features if feature.name not in self.run.preprocess.text_columns]
        texts = [feature for feature in features if feature.name in self.run.preprocess.text_columns]
        blocks: list[str] = []
        places: list[str] = []  # names of the inputs in the blocks' order
        if numbers:
            blocks += self.numbers(numbers)
            places += [f.name for f in numbers] + [f.names[1] for f in numbers if f.indicator]
        if texts:
            self.about["texts"] = [feature.name for feature in texts]
            given = self.input("texts", self.onnx.TensorProto.STRING, len(texts))
            for i, feature in enumerate(texts):
                column = self.node("Gather", given, self.constant([i]), axis=1)
                blocks.append(self.text(feature, self.node("Squeeze", column, self.constant([1]))))
                places += feature.names
        x = blocks[0] if len(blocks) == 1 else self.node("Concat", *blocks, axis=1)
        order = self.order(places)
        if order != sorted(order):
            x = self.node("Gather", x, self.constant(order), axis=1)
        return x

    def order(self, places: list[str]) -> list[int]:
        """Where each of the network's inputs is among `places`; names that occur twice keep their order."""
        found: dict[str, list[int]] = {}
        for place, name in enumerate(places):
            found.setdefault(name, []).append(place)
        return [found[name].pop(0) for name in self.run.preprocess.inputs]

    def numbers(self, features: list[Any]) -> list[str]:
        """Filled in and standardised, in double precision as in training; and the indicators of missing ones."""
        self.about["numbers"] = [feature.name for feature in features]
        given = self.input("numbers", self.onnx.TensorProto.DOUBLE, len(features))
        missing = self.node("IsNaN", given)
        filled = self.node("Where", missing, self.double([feature.fill for feature in features]), given)
        centred = self.node("Sub", filled, self.double([feature.offset for feature in features]))
        scaled = self.node("Div", centred, self.double([feature.scale for feature in features]))
        blocks = [self.node("Cast", scaled, to=self.onnx.TensorProto.FLOAT)]
        indicated = [i for i, feature in enumerate(features) if feature.indicator]
        if indicated:
            flags = self.node("Cast", missing, to=self.onnx.TensorProto.FLOAT)
            blocks.append(self.node("Gather", flags, self.constant(indicated), axis=1))
        return blocks

    def text(self, feature: Any, column: str) -> str:
        """A table has the inputs that each known text becomes, then those of a missing and of an unknown one."""
        known = list(feature.order or [] if feature.kind == "number" else feature.categories)
        cells = [*known, "", "\0"]
        table = make_table(self.run.preprocess, {feature.name: cells}, "the categories")
        rows = self.constant(feature.encode(self.torch, table.columns[feature.name]).float())
        codes = self.node(
            "LabelEncoder",
            column,
            domain="ai.onnx.ml",
            keys_strings=[*known, ""],
            values_int64s=list(range(len(known) + 1)),
            default_int64=len(known) + 1,
        )
        return self.node("Gather", rows, codes, axis=0)

    # The network, and what comes out of it

    def network(self, x: str) -> str:
        for module in self.run.model.children():
            x = self.layer(module, x)
        return x

    def layer(self, module: Any, x: str) -> str:
        kind = type(module).__name__
        if kind == "Linear":
            return self.node("Gemm", x, self.constant(module.weight), self.constant(module.bias), transB=1)
        if kind == "Conv2d":
            pads = [*module.padding, *module.padding]
            return self.node("Conv", x, self.constant(module.weight), self.constant(module.bias), pads=pads)
        if kind == "MaxPool2d":
            size = [module.kernel_size] * 2
            return self.node("MaxPool", x, kernel_shape=size, strides=size)
        if kind == "Flatten":
            return self.node("Flatten", x, axis=1)
        if kind == "SiLU":
            return self.node("Mul", x, self.node("Sigmoid", x))
        return self.node(ACTIVATIONS[kind], x)

    def meaning(self, outputs: str) -> None:
        """Predictions in the target's own terms, and probabilities."""
        target, types = self.run.target, self.onnx.TensorProto
        if not target.classes:
            flat = self.node("Squeeze", self.node("Cast", outputs, to=types.DOUBLE), self.constant([1]))
            scaled = self.node("Mul", flat, self.double([target.scale]))
            self.output("prediction", self.node("Add", scaled, self.double([target.offset])), types.DOUBLE)
            return
        loss = self.run.settings.loss
        if loss == "cross_entropy":
            chances = self.node("Softmax", outputs, axis=1)
        else:
            second = outputs if loss == "bce" else self.node("Sigmoid", outputs)
            first = self.node("Sub", self.constant(self.torch.ones(1)), second)
            chances = self.node("Concat", first, second, axis=1)
        self.about["classes"] = target.classes
        values = target.values
        if any(isinstance(value, float) for value in values):
            classes, kind = self.double(values), types.DOUBLE
        else:
            classes, kind = self.constant(values), types.STRING if isinstance(values[0], str) else types.INT64
        best = self.node("ArgMax", chances, axis=1, keepdims=0)
        self.output("prediction", self.node("Gather", classes, best, axis=0), kind)
        self.output("probabilities", chances, types.FLOAT, len(target.classes))
