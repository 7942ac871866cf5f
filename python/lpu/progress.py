"""How far long work is, on standard error: stage, elapsed and remaining seconds."""

import sys
import time

PLAIN_INTERVAL = 10  # seconds between lines where there is no terminal


def format_seconds(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class Progress:
    """One line a stage, rewritten on a terminal. Use as a context manager around the stage."""

    def __init__(self, name: str, out=None):
        self.name = name
        self._out = out or sys.stderr
        self._terminal = self._out.isatty()
        self._start = self._shown = time.monotonic()
        self._last = (self._start, 0.0)  # when the share of the work became what it is
        if not self._terminal:
            self._write(f"{name} ...", final=True)

    def update(self, share: float | None = None, detail: str = "") -> None:
        """`share` of the work is done, 0 to 1; None where it is as before."""
        now = time.monotonic()
        if share is not None:
            self._last = (now, share)
        moment, share = self._last
        if now - self._shown < (0.1 if self._terminal else PLAIN_INTERVAL):
            return
        self._shown = now
        elapsed = now - self._start
        text = f"{self.name}{': ' if detail else ''}{detail}, {format_seconds(elapsed)}"
        if share > 0:
            remaining = (moment - self._start) / share - elapsed
            text += f", about {format_seconds(max(1, remaining))} left"
        self._write(text, final=not self._terminal)

    def _write(self, text: str, final: bool) -> None:
        self._out.write(("\r\x1b[K" if self._terminal else "") + text + ("\n" if final else ""))
        self._out.flush()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind, *_) -> None:
        outcome = {None: "done", KeyboardInterrupt: "interrupted"}.get(kind, "failed")
        self._write(f"{self.name}: {outcome}, {format_seconds(time.monotonic() - self._start)}", final=True)
