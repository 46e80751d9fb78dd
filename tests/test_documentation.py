"""What the pages say about the tree: links resolve, the map is complete, public names have a meaning. Their examples are run by scripts/doctests."""

import fnmatch
import importlib
import re
from pathlib import Path

import pytest

import rushlight as torch

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md"))]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def anchors(page: Path) -> set[str]:
    """The fragments under which a page's headings are found."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        path, _, fragment = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), link


def test_the_map_names_every_part_of_the_package():
    drawn = ARCHITECTURE.split("```")[1]
    parts = [
        path.name
        for path in (ROOT / "src" / "rushlight").iterdir()
        if path.suffix not in (".so", ".pyi", ".pyd") and not path.name.startswith((".", "__pycache__"))
    ]
    assert "nn" in parts
    assert [name for name in parts if not re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", drawn)] == []


def test_the_guide_names_every_file_of_the_core():
    guide = ARCHITECTURE.split("### Files of the core")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in guide.splitlines() if line.startswith("| `")]
    patterns = re.findall(r"`([\w.*]+)`", " ".join(rows)) + ["rl.h", "isa.h", "sizes_text.h"]  # these serve all of them
    files = [path.name for path in (ROOT / "src" / "rushlight" / "_core").iterdir() if path.suffix in (".c", ".h")]

    def named(file: str) -> bool:  # by itself, or as the header, kernel or template of a .c file
        forms = (file, re.sub(r"(_kernel|_template)?\.[ch]$", ".c", file))
        return any(fnmatch.fnmatch(form, pattern) for form in forms for pattern in patterns)

    assert [file for file in files if not named(file)] == []
    assert [pattern for pattern in patterns if not fnmatch.filter(files, pattern)] == []


NAMESPACES = """rushlight nn nn.functional nn.init nn.utils optim optim.lr_scheduler optim.swa_utils utils.data autograd
    autograd.functional linalg fft special func distributions""".split()


@pytest.mark.parametrize("space", NAMESPACES)
def test_public_names_have_a_meaning(space):
    module = torch if space == "rushlight" else importlib.import_module(f"rushlight.{space}")
    bare = []
    for name in dir(module):
        thing = getattr(module, name)
        ours = str(getattr(thing, "__module__", "")).split(".")[0] in ("rushlight", "torch")
        # A subclass without a docstring of its own would show its base's.
        doc = vars(thing).get("__doc__") if isinstance(thing, type) else getattr(thing, "__doc__", None)
        if ours and name[0] != "_" and callable(thing) and not (doc and doc.strip()):
            bare.append(name)
    assert bare == []


def test_attributes_of_tensors_have_a_meaning():
    assert [name for name in dir(torch.Tensor) if name[0] != "_" and not getattr(torch.Tensor, name).__doc__] == []


@pytest.mark.parametrize(
    "name",
    """nn.Linear nn.Conv2d nn.MaxPool2d nn.BatchNorm2d nn.LayerNorm nn.Dropout nn.ReLU nn.Tanh nn.Sigmoid nn.Softmax nn.Embedding
    nn.LSTM nn.GRU nn.RNN nn.Sequential nn.ModuleList nn.Module nn.Parameter nn.CrossEntropyLoss nn.MSELoss nn.BCELoss nn.NLLLoss
    nn.functional.relu nn.functional.softmax nn.functional.cross_entropy nn.functional.max_pool2d optim.SGD optim.Adam optim.AdamW
    optim.RMSprop optim.lr_scheduler.StepLR utils.data.DataLoader utils.data.TensorDataset utils.data.Dataset tensor zeros ones
    arange linspace randn rand randint manual_seed cat stack matmul mean sum argmax from_numpy save no_grad Tensor.backward
    Tensor.item Tensor.view Tensor.reshape Tensor.to Tensor.numpy Tensor.detach Tensor.size Tensor.transpose Tensor.unsqueeze
    Tensor.squeeze Tensor.tolist""".split(),
)
def test_most_used_names_have_an_example(name):
    thing = torch
    for part in name.split("."):
        thing = getattr(thing, part)
    assert ">>> " in thing.__doc__
