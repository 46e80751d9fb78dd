"""What the pictures are drawn on, and with: matplotlib in a style of our own, colours, signs, short names.

matplotlib is imported when the first picture is drawn, never before.  Figures are made without pyplot: no window system
is asked for, and neither the caller's figures nor the caller's settings are touched.
"""

from __future__ import annotations

from contextlib import contextmanager

from rushlight.tabular.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MISSING = "pictures need matplotlib: pip install 'rushlight[plot]'"

COLOURS = (
    *("#1b4f8a", "#e07b00", "#2a8f5b", "#9c2f86", "#6d5310"),
    *("#1aa0b8", "#b8312f", "#707070", "#5a49b0", "#97a51b"),
)
MARKERS = ("o", "+", "s", "x", "^", "D", "v", "*", "<", "1")
INK, GREY, PALE = "#222222", "#8a8a8a", "#dfe8f2"

STYLE: dict[Any, Any] = {  # Any: matplotlib declares every single name as a type of its own
    "text.parse_math": False,  # $ and _ in the names of columns are what they are
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.1,
    "figure.constrained_layout.h_pad": 0.08,
}
# Fonts for scripts that matplotlib's own lacks, in the order of preference; those that are installed are used.
MORE_FONTS = (
    *("Noto Sans CJK KR", "Noto Sans CJK JP", "Noto Sans CJK SC", "NanumGothic", "Malgun Gothic"),
    *("Apple SD Gothic Neo", "Hiragino Sans", "PingFang SC", "Microsoft YaHei", "Yu Gothic"),
    *("Noto Sans Devanagari", "Noto Sans Thai"),
)


@contextmanager
def style() -> Iterator[None]:
    """Within the block matplotlib has this module's settings; after it, those it had."""
    try:
        import matplotlib
        from matplotlib.font_manager import fontManager
    except ImportError:
        raise DataError(MISSING) from None
    import warnings

    installed = {font.name for font in fontManager.ttflist}
    family = ["DejaVu Sans", *(name for name in MORE_FONTS if name in installed)]
    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # it shows as a box
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**STYLE, "font.family": family})
        yield


def figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def plain_ticks(axis: Any) -> None:
    """0.01 and so on along a logarithmic axis, where matplotlib would write formulas, which are switched off."""
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")


def short(text: str, most: int = 32) -> str:
    """A name that fits beside an axis."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def colour(code: int) -> str:
    return COLOURS[code % len(COLOURS)]


def marker(code: int) -> str:
    """Shifted with each round of the colours, so that a hundred classes have a sign of their own."""
    return MARKERS[(code + code // len(COLOURS)) % len(MARKERS)]
