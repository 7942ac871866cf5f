#!/usr/bin/env python3
"""Writes python/requirements.txt from python/requirements.in.

Asks pip what it would install for this Python and platform (Python 3.11 on
x86-64 Linux is what tools/setup.sh supports) and writes every version with the
SHA-256 of its wheel. Run it by hand after a change of requirements.in.
"""

import json
import subprocess
import sys
from pathlib import Path

PYTHON_DIR = Path(__file__).resolve().parent.parent / "python"

HEADER = """\
# Written by tools/pin-requirements.py from requirements.in; do not edit.
# Wheels for Python 3.11 on x86-64 Linux.
"""


def format_requirements(report: dict) -> str:
    """Returns the requirements file for pip's installation report.

    Raises ValueError when the report names an archive without SHA-256.
    """
    pins = {}
    for item in report["install"]:
        name = item["metadata"]["name"].lower().replace("_", "-")
        version = item["metadata"]["version"]
        digest = item["download_info"]["archive_info"].get("hashes", {}).get("sha256")
        if not digest:
            raise ValueError(f"expected a sha256 for {name} {version}, got none")
        pins[name] = f"{name}=={version} \\\n    --hash=sha256:{digest}\n"
    return HEADER + "".join(pins[name] for name in sorted(pins))


def main() -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run",
               "--ignore-installed", "--only-binary=:all:", "--report=-",
               f"--requirement={PYTHON_DIR / 'requirements.in'}"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    (PYTHON_DIR / "requirements.txt").write_text(format_requirements(report))


if __name__ == "__main__":
    main()
