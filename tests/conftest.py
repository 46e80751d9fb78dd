"""The renderer is not installed with the package; tests that look at it find it in the checkout."""

from __future__ import annotations

from pathlib import Path

import rushlight

rushlight.__path__.append(str(Path(__file__).resolve().parents[1] / "src" / "rushlight"))
