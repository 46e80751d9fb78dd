"""report.html as a browser shows it: nothing overflows a phone, pictures are there, text can be read, nothing complains.

The browser is Debian's chromium, without a window and without a driver: a page on loopback holds the report in a frame
of the wanted width, measures it there, and writes down what it found; chromium prints that page.
"""

from __future__ import annotations

import html
import json
import random
import re
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Thread

import pytest

from rushlight import tabular

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH (apt-get install chromium)"),
]

PHONE, DESKTOP = 400, 1200
DARK = "--blink-settings=preferredColorScheme=0"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    *("--enable-logging=stderr", "--hide-scrollbars"),
)

PROBE = """<!doctype html>
<html><head><title>probe</title><link rel="icon" href="data:,">
<style>body { margin: 0 } iframe { border: 0; width: %(width)spx; height: 3000px }</style></head>
<body><iframe src="%(page)s"></iframe><pre id="found"></pre><script>
"use strict";
const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
const luminance = ([r, g, b]) => {  // https://www.w3.org/TR/WCAG21/#dfn-relative-luminance
  const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
};
const behind = (element, style) => {
  for (; element; element = element.parentElement) {
    const colour = channels(style(element).backgroundColor);
    if (colour.length === 3 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
window.addEventListener("load", () => {
  const view = document.querySelector("iframe").contentWindow;
  const page = view.document;
  const style = (element) => view.getComputedStyle(element);
  const all = (selector) => [...page.querySelectorAll(selector)];
  const box = (element) => element.getBoundingClientRect();
  const visible = (element) => element.checkVisibility() && box(element).width > 0 && box(element).height > 0;
  const contrast = (element) => {
    const pair = [luminance(channels(style(element).color)), luminance(behind(element, style))];
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  };
  const closed = page.querySelectorAll("details:not([open])").length;
  all("details").forEach((element) => { element.open = true; });
  const texts = all("body *").filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
  document.querySelector("#found").textContent = JSON.stringify({
    title: page.title,
    language: page.documentElement.lang,
    width: page.documentElement.scrollWidth,
    closed: closed,
    headings: all("h1, h2, h3").filter(visible).map((e) => [Number(e.tagName[1]), e.textContent]),
    tables: all("table").map((e) => [e.caption.textContent, visible(e), e.querySelectorAll("th[scope]").length]),
    images: all("img").map((e) => [e.alt, e.naturalWidth, box(e).width, box(e).right]),
    sticking_out: all("main > section > *, header *").filter((e) => box(e).right > %(width)s + 0.5).map((e) => e.outerHTML),
    faint: texts.filter((e) => contrast(e) < 4.5).map((e) => [e.tagName, e.textContent.slice(0, 40), contrast(e)]),
    background: style(page.body).backgroundColor,
    scripts: page.scripts.length,
    loaded: view.performance.getEntriesByType("resource").map((e) => e.name).filter((name) => !name.startsWith("data:")),
  });
});
</script></body></html>
"""


def chromium(folder, address, *flags):
    """Standard output, and the lines that the console of the browser has."""
    profile = folder / "profile"
    shutil.rmtree(profile, ignore_errors=True)
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *flags, address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, re.findall(r"CONSOLE[^\]]*\] (.*)", done.stderr)


class Site:
    """A folder of pages on loopback."""

    def __init__(self, folder):
        self.folder = folder
        handler = partial(QuietHandler, directory=str(folder))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def look(self, page, width=DESKTOP, *flags):
        """What the probe found on a page, with the console's lines among it."""
        (self.folder / "probe.html").write_text(PROBE % {"page": page, "width": width}, encoding="utf-8")
        size = f"--window-size={max(width, 500)},3000"
        text, console = chromium(self.folder, f"{self.address}/probe.html", "--dump-dom", size, *flags)
        found = re.search(r'<pre id="found">(.+?)</pre>', text, re.DOTALL)
        assert found, text[:2000]
        return {**json.loads(html.unescape(found[1])), "console": console}


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


HOSTILE = "</title><script>alert('x')</script>\"><img src=x onerror=alert(1)> " + "verylongname" * 12


def hostile():
    draw = random.Random(1)
    sizes = [draw.gauss(0, 1) for _ in range(150)]
    return {
        HOSTILE: sizes,
        "place": [draw.choice(["<b>Bonn</b>", "서울", "long" * 40]) for _ in range(150)],
        "gaps": [None if i % 5 == 0 else draw.random() for i in range(150)],
        "kind & more": ["<i>big</i>" if size > 0 else "small" for size in sizes],
    }


def curve():
    draw = random.Random(2)
    x = [draw.uniform(-2, 2) for _ in range(80)]
    return {"x": x, "y": [value**3 + draw.gauss(0, 0.3) for value in x]}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("site")
    runs = {
        "classes": ("blobs", {}),
        "number": (curve(), {"target": "y", "lr_find": True}),
        "hostile": (hostile(), {"target": "kind & more"}),
    }
    for name, (data, options) in runs.items():
        tabular.fit(data, out=str(folder / name), pictures=True, hidden=[8], epochs=40, **options)
    site = Site(folder)
    yield site
    site.server.shutdown()
    site.server.server_close()


@pytest.mark.parametrize("name, pictures", [("classes", 4), ("number", 5), ("hostile", 3)])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_a_page_is_as_it_should_be(site, name, pictures, width):
    found = site.look(f"{name}/report.html", width)
    assert not found["console"]
    assert not found["loaded"] and not found["scripts"]
    assert found["language"] == "en" and found["title"] == found["headings"][0][1]
    assert found["width"] <= width and not found["sticking_out"]

    levels = [level for level, _ in found["headings"]]
    assert levels.count(1) == 1 and levels.count(2) == 6 and levels.count(3) == pictures
    assert all(below - above <= 1 for above, below in pairwise(levels))
    assert len(found["tables"]) >= 4 and found["closed"] == 3
    assert all(visible and caption and heads > 2 for caption, visible, heads in found["tables"])

    assert len(found["images"]) == pictures
    for text, natural, shown, right in found["images"]:
        assert len(text) > 20 and natural >= 600 and 250 < shown <= width and right <= width
    assert not found["faint"]


def test_names_from_the_data_stay_text(site):
    found = site.look("hostile/report.html")
    assert found["title"] == "kind & more from the data"
    assert not found["console"] and len(found["images"]) == 3


def test_dark_where_the_reader_prefers_it(site):
    light, dark = site.look("number/report.html"), site.look("number/report.html", PHONE, DARK)
    assert light["background"] == "rgb(255, 255, 255)" and dark["background"] == "rgb(26, 26, 26)"
    assert not dark["faint"] and not dark["console"]


def test_the_page_opens_from_a_file(site, tmp_path):
    from matplotlib.image import imread

    picture = tmp_path / "page.png"
    address = (site.folder / "classes" / "report.html").as_uri()
    _, console = chromium(tmp_path, address, f"--screenshot={picture}", "--window-size=900,3000")
    assert not console
    pixels = imread(picture)[..., :3]
    assert pixels.shape == (3000, 900, 3)
    inked = (pixels.min(2) < 0.5).mean()  # text and marks; neither a blank page nor one that failed to load
    coloured = (pixels.max(2) - pixels.min(2) > 0.3).mean()
    assert 0.01 < inked < 0.3 and coloured > 0.01


def test_the_probe_sees_what_is_wrong(site):
    (site.folder / "wrong.html").write_text(
        "<title>x</title><h1 style='width:2000px;color:#aaa;background:#fff'>wide and faint</h1>"
        "<img src='nowhere.png' alt=''><script>missing()</script>"
    )
    found = site.look("wrong.html", PHONE)
    assert found["width"] > PHONE and found["faint"][0][1] == "wide and faint"
    assert found["images"][0][1] == 0 and found["loaded"] and found["scripts"] == 1
    assert any("missing" in line for line in found["console"])
