"""Paths that the tests share."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Last: the extension module of the build, where no environment of tools/setup.sh names it.
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "tools"), str(ROOT / "build" / "python")]
