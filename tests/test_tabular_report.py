"""Pictures and report.html: which there are, what is in them, and that no failure in them costs the model."""

from __future__ import annotations

import logging
import os
import random
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rushlight import tabular
from rushlight.tabular import commands, markup, report

pytest.importorskip("matplotlib")
from rushlight.tabular import pictures  # it is imported where pictures are wanted, and needs no matplotlib itself

PNG = b"\x89PNG\r\n\x1a\n"
HOSTILE = "</title><script>alert('x')</script>\"><img src=x onerror=alert(1)> $a_b$ &amp;"


def curve(rows=60):
    draw = random.Random(1)
    x = [draw.uniform(-2, 2) for _ in range(rows)]
    return {"x": x, "y": [value * value + draw.gauss(0, 0.1) for value in x]}


def mixed(rows=120, name="place", target="price"):
    """Numbers with gaps, and categories."""
    draw = random.Random(2)
    places = [draw.choice(["Seoul", "Lima", "<b>Bonn</b>"]) for _ in range(rows)]
    sizes = [draw.gauss(50, 10) for _ in range(rows)]
    prices = [size + 20 * (place == "Lima") + draw.gauss(0, 3) for size, place in zip(sizes, places)]
    gaps = [None if i % 9 == 4 else size for i, size in enumerate(sizes)]
    return {"size": gaps, name: places, target: prices}


def fitted(data, folder, pictures=True, **options):
    options = {"epochs": 4, "hidden": [4], **options}
    return tabular.fit(data, out=str(folder), pictures=pictures, **options)


class Page(HTMLParser):
    """What a page consists of: (tag, attributes) in order, and its visible text."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(Path(path).read_text(encoding="utf-8"))
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, name, attributes):
        self.tags.append((name, dict(attributes)))
        if name not in markup.VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, text):
        if self.open and self.open[-1] != "style":
            self.texts.append(text)

    @property
    def text(self):
        return " ".join(self.texts)

    def attributes(self, name):
        return [attributes for found, attributes in self.tags if found == name]


@pytest.mark.parametrize(
    "data, options, files",
    [
        ("blobs", {}, {"data", "plane", "confusion", "loss"}),
        (curve(), {"target": "y"}, {"data", "fit", "predicted", "loss"}),
        (curve(), {"target": "y", "lr_find": True, "test_size": 0}, {"data", "fit", "predicted", "loss", "rates"}),
        (mixed(), {"target": "price"}, {"data", "predicted", "loss"}),
        (mixed(), {"target": "place", "epochs": 1}, {"data", "plane", "confusion"}),
        ({**mixed(), "sold": ["yes", "no", "no"] * 40}, {"target": "sold"}, {"data", "confusion", "loss"}),
    ],
)
def test_each_run_has_the_pictures_that_apply_to_it(tmp_path, data, options, files, caplog):
    folder = tmp_path / "model"
    fitted(data, folder, **options)
    assert {path.stem for path in folder.glob("*.png")} == files
    assert all(path.read_bytes().startswith(PNG) for path in folder.glob("*.png"))
    page = Page(folder / "report.html")
    images = page.attributes("img")
    assert len(images) == len(files)
    assert all(image["src"].startswith("data:image/png;base64,") and len(image["alt"]) > 20 for image in images)
    assert not caplog.records


def test_images_are_shown(tmp_path):
    pytest.importorskip("sklearn")
    fitted("digits", tmp_path / "model", model="cnn", channels=[2], epochs=1)
    assert (tmp_path / "model" / "data.png").stat().st_size > 5000
    assert "8x8" in Page(tmp_path / "model" / "report.html").text


def test_two_features_and_a_number(tmp_path):
    data = curve()
    data["z"] = [x * y for x, y in zip(data["x"], data["y"])]
    fitted(data, tmp_path / "model", target="z")
    assert (tmp_path / "model" / "plane.png").exists()


def test_many_classes_and_columns(tmp_path):
    draw = random.Random(4)
    data = {f"column number {i} with a long name": [draw.random() for _ in range(240)] for i in range(120)}
    data["class"] = [f"class number {i % 60}" for i in range(240)]
    fitted(data, tmp_path / "model", target="class")
    text = Page(tmp_path / "model" / "report.html").text
    assert "the first 100; 20 more" in text and "and 10 more" in text


def test_the_most_telling_columns_come_first(tmp_path):
    draw = random.Random(5)
    data = {f"noise {i}": [draw.random() for _ in range(100)] for i in range(8)}
    data["kind"] = ["ab"[i % 2] for i in range(100)]
    data["number"] = [i % 2 + draw.gauss(0, 0.3) for i in range(100)]
    run = fitted({**data, "y": [float(i % 2) for i in range(100)]}, tmp_path / "model", target="y", task="regression")
    told = pictures.telling_features(run, list(range(100)))
    assert [feature.name for feature in told[:2]] == ["kind", "number"]
    assert len(told) == pictures.MOST_PANELS


def test_the_untrained_network_is_the_one_that_training_began_with(tmp_path):
    run = fitted(curve(), tmp_path / "model", target="y", seed=3)
    rng = run.torch.get_rng_state()
    first = pictures.untrained(run)
    assert run.torch.equal(rng, run.torch.get_rng_state())
    part = run.data.part("test")
    criterion = run.torch.nn.MSELoss()
    loss = criterion(first.outputs(part.x), part.y.unsqueeze(1)).item()
    assert loss == run.results["before"]["test"]["loss"]


def test_drawing_leaves_the_settings_of_matplotlib_alone(tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    fitted("blobs", tmp_path / "model")
    assert dict(matplotlib.rcParams) == before


def test_the_same_fit_draws_the_same_files(tmp_path):
    for name in "ab":
        fitted("blobs", tmp_path / name)
    for path in (tmp_path / "a").glob("*.png"):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


# The page


def test_the_page_says_what_happened(tmp_path):
    run = fitted(mixed(), tmp_path / "model", target="price")
    page = Page(tmp_path / "model" / "report.html")
    headings = [name for name, _ in page.tags if name in ("h1", "h2")]
    assert headings == ["h1"] + ["h2"] * 6
    after = run.results["after"]["test"]
    for text in ("price from the data", "test R2", f"{after['loss']:.4g}", f"{after['rmse']:.4g}", "Sequential("):
        assert text in page.text
    assert "13" in page.text and "marked" in page.text  # missing sizes
    assert "rushlight predict . new.csv" in page.text
    assert f"{sum(p.numel() for p in run.model.parameters())} weights" in page.text


def test_the_page_says_what_guessing_would_reach(tmp_path):
    fitted(
        {"x": [float(i % 10) for i in range(100)], "y": ["rare" if i % 10 == 9 else "usual" for i in range(100)]},
        tmp_path / "model",
        target="y",
    )
    assert "always saying usual would be for 90.0" in Page(tmp_path / "model" / "report.html").text


def test_the_page_needs_nothing_and_runs_nothing(tmp_path):
    fitted("blobs", tmp_path / "model")
    page = Page(tmp_path / "model" / "report.html")
    assert not [name for name, _ in page.tags if name in ("script", "link", "iframe", "object", "form")]
    assert "default-src 'none'" in page.attributes("meta")[1]["content"]
    addresses = [a[key] for _, a in page.tags for key in ("src", "href") if key in a]
    assert addresses and all(address.startswith("data:") for address in addresses)
    assert "url(" not in report.STYLE and "@import" not in report.STYLE


def test_what_comes_from_the_data_is_escaped(tmp_path):
    path = tmp_path / "<i>&.csv"
    lines = [f"{i % 7},a<b>{i % 3},{'yes' if i % 2 else '<u>no</u>'}" for i in range(60)]
    quoted = HOSTILE.replace('"', '""')
    path.write_text("\n".join([f'"{quoted}",second,"target {quoted}"', *lines]))
    fitted(str(path), tmp_path / "model", target="-1")
    page = Page(tmp_path / "model" / "report.html")
    assert {name for name, _ in page.tags}.isdisjoint({"script", "b", "i", "u"})
    assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on")]
    assert f"target {HOSTILE}" in page.text and "<u>no</u>" in page.text and "a<b>0" in page.text


def test_half_a_character_is_written(tmp_path):
    run = tabular.fit(mixed(name="pl\ud800ce"), target="price", epochs=1)
    report.write(run, str(tmp_path))
    assert "pl&#55296;ce" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_an_interrupted_run_says_so(tmp_path):
    run = fitted("blobs", tmp_path / "model")
    run.results["status"] = "interrupted"
    report.write(run, str(tmp_path))
    assert "Training was stopped in epoch 5 of 4" in Page(tmp_path / "report.html").text


def test_a_loaded_run_gives_the_page_without_its_data(tmp_path, caplog):
    fitted(mixed(), tmp_path / "model", target="price")
    again = tmp_path / "again"
    again.mkdir()
    run = tabular.load(str(tmp_path / "model"))
    pictures.draw(run, str(again))
    report.write(run, str(again))
    assert {path.name for path in again.iterdir()} == {"predicted.png", "loss.png", "report.html"}
    assert not caplog.records


def test_the_command_on_the_page_fits_the_same_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [f"{i % 7},{i % 5},{3 * (i % 7) - i % 5}" for i in range(60)]
    Path("my data.csv").write_text("\n".join(["a,b,c", *lines]))
    options = {"target": "-1", "optimizer": "sgd", "momentum": 0.5, "standardize": False, "lr": 0.001, "seed": 4}
    run = fitted("my data.csv", "first", drop=["b"], **options)
    words = shlex.split(report.command_line(run))
    assert words[:3] == ["rushlight", "fit", "my data.csv"] and "--loss" not in words
    assert commands.main([*words[1:], "-o", "second", "--no-pictures", "--quiet"]) == 0
    assert Path("first/metrics.csv").read_text() == Path("second/metrics.csv").read_text()
    assert report.command_line(fitted(curve(), "third", target="y")) is None


def test_markup_escapes_all_but_itself():
    inner = markup.tag("b", "x<y")
    assert markup.tag("p", inner, None, " & ", 3, title="\"'>") == (
        '<p title="&quot;&#x27;&gt;"><b>x&lt;y</b> &amp; 3</p>'
    )
    assert markup.tag("img", src="a", alt="") == '<img src="a" alt="">'


# What goes wrong


def test_a_picture_that_fails_is_left_out(tmp_path, monkeypatch, caplog):
    def fails(run):
        raise RuntimeError("no ink")

    def breaks_off(run):
        class Canvas:
            def savefig(self, path, **more):
                Path(path).write_bytes(PNG)
                raise OSError("disk full")

        return Canvas()

    broken = {"data.png": fails, "loss.png": breaks_off}
    for picture in pictures.PICTURES:
        monkeypatch.setattr(picture, "paint", broken.get(picture.file, picture.paint))
    fitted("blobs", tmp_path / "model")
    assert [record.getMessage() for record in caplog.records] == [
        "data.png was not drawn: RuntimeError: no ink",
        "loss.png was not drawn: OSError: disk full",
    ]
    assert {path.stem for path in (tmp_path / "model").glob("*.png")} == {"plane", "confusion"}
    assert len(Page(tmp_path / "model" / "report.html").attributes("img")) == 2
    assert tabular.load(str(tmp_path / "model")).predict({"x1": [1.0], "x2": [1.0]})


@pytest.mark.parametrize("part", ["paint", "render"])
@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError, ValueError])
def test_the_model_outlives_any_failure(tmp_path, monkeypatch, part, failure, caplog):
    def fails(*arguments):
        raise failure

    if part == "render":
        monkeypatch.setattr(report, "render", fails)
    else:
        monkeypatch.setattr(pictures.PICTURES[0], "paint", fails)
    fitted("blobs", tmp_path / "model")
    assert tabular.load(str(tmp_path / "model")).history
    assert len(caplog.records) == 1
    assert (tmp_path / "model" / "report.html").exists() == (part == "paint")


def test_without_matplotlib_there_is_a_page_without_pictures(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    fitted("blobs", tmp_path / "model")
    assert "pip install 'rushlight[plot]'" in caplog.text and caplog.records[0].levelno == logging.WARNING
    assert not list((tmp_path / "model").glob("*.png"))
    assert not Page(tmp_path / "model" / "report.html").attributes("img")


@pytest.mark.parametrize("command", ["fit blobs --epochs 2 -o model --no-pictures", "predict model new.csv"])
def test_matplotlib_is_imported_for_pictures_only(tmp_path, command):
    fitted("blobs", tmp_path / "model", pictures=False)
    (tmp_path / "new.csv").write_text("x1,x2\n1,1\n")
    program = (
        "import sys; from rushlight.cli import main; status = main(sys.argv[1:]);"
        "unwanted = [name for name in ('matplotlib', 'numpy', 'html') if name in sys.modules];"
        "sys.exit(f'imported: {unwanted}' if unwanted else status)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(tabular.__file__).parents[2])}
    subprocess.run(
        [sys.executable, "-c", program, *command.split()],
        check=True,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
    )
