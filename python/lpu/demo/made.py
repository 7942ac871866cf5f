"""Files that are made anew only when what they are made from has changed."""

import json
from collections.abc import Callable
from pathlib import Path


def identify(path: Path) -> list[int] | None:
    """Size and time of change: enough for large files that this module's callers write whole."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _state(outputs: list[Path]) -> dict:
    return {path.name: identify(path) for path in outputs}


def make(outputs: list[Path], key: dict, action: Callable[[], None]) -> bool:
    """Calls `action`, which writes `outputs`, unless they are there, made with an equal `key`; tells whether it did.

    The key is kept as JSON beside the first output.
    """
    stamp = outputs[0].with_name(outputs[0].name + ".made")
    key = json.loads(json.dumps(key))
    try:
        recorded = json.loads(stamp.read_text())
    except (OSError, ValueError):
        recorded = None
    state = _state(outputs)
    if None not in state.values() and recorded == {"key": key, "outputs": state}:
        return False
    stamp.unlink(missing_ok=True)
    action()
    stamp.write_text(json.dumps({"key": key, "outputs": _state(outputs)}))
    return True
