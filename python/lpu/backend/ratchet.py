"""test/Backend/passing.txt: the tests that pass on the chip, one a line, sorted. The list only grows."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path


class DropError(RuntimeError):
    """Tests on the list do not pass any more."""

    def __init__(self, names: list[str]):
        super().__init__("no longer passing: " + ", ".join(names))
        self.names = names


def read(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def update(path: Path, passing: Iterable[str], allow_drop: bool = False) -> tuple[int, int]:
    """Writes the list; how many names are new, and how many are gone. Errors: DropError, and nothing is written."""
    old, new = set(read(path)), set(passing)
    gone = sorted(old - new)
    if gone and not allow_drop:
        raise DropError(gone)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in sorted(new)))
    return len(new - old), len(gone)


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def choose(names: Iterable[str], family: Callable[[str], str], one_of: int) -> list[str]:
    """About one of `one_of` names, and of every family at least one. A name's hash decides: names that are added
    change the choice of no other family."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(family(name), []).append(name)
    chosen = {name for group in groups.values() for name in group if _hash(name) % one_of == 0}
    chosen |= {min(group, key=_hash) for group in groups.values() if not chosen.intersection(group)}
    return sorted(chosen)
