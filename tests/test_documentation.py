"""What the pages say about the tree: links resolve, the map is complete. Their examples are run by scripts/doctests."""

import fnmatch
import re
from pathlib import Path

import pytest

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
        if path.suffix not in (".so", ".pyi", ".pyd") and path.name != "__pycache__"
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
