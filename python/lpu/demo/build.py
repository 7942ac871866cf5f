"""Configures and builds what the demo needs, below build/, with its progress.

usage: python -m lpu.demo.build
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from lpu.progress import Progress

TARGETS = ["lpu-compile", "lpu_native", "lpu-objdump", "lpu-run", "lpu-verify"]
_NINJA = re.compile(r"\[(\d+)/(\d+)\] ")


class BuildError(Exception):
    """A step that failed; the message is the end of what it printed."""


def _run(command: list[str], log, on_line=lambda line: None) -> None:
    environment = {**os.environ, "NINJA_STATUS": "[%f/%t] "}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    lines = []
    for line in process.stdout:
        log.write(line)
        lines.append(line)
        on_line(line)
    if process.wait() != 0:
        raise BuildError(f"{' '.join(command)} failed:\n{''.join(lines[-40:])}")


def _is_configured(build: Path) -> bool:
    """Whether the build knows all targets: one configured before tools/setup.sh has no lpu_native."""
    try:
        return "build lpu_native:" in (build / "build.ninja").read_text()
    except OSError:
        return False


def build(build: Path = Path("build")) -> None:
    """Errors: BuildError. The log is in build/demo-build.log."""
    with open(build / "demo-build.log", "w") as log:
        if not _is_configured(build):
            with Progress("configure"):
                _run(["cmake", "--preset", "default"], log)
        with Progress("build") as progress:
            def show(line: str) -> None:
                if found := _NINJA.match(line):
                    done, total = map(int, found.groups())
                    progress.update(done / total if total else None, f"{done} of {total} steps")

            _run(["ninja", "-C", str(build), *TARGETS], log, show)


if __name__ == "__main__":
    try:
        build()
    except BuildError as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
