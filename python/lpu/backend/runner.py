"""Runs tests on worker processes, side by side."""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Hashable
from typing import TypeVar

from lpu.backend.suite import Test

Key = TypeVar("Key", bound=Hashable)

PYTHON = [sys.executable, "-m"]


class _Worker:
    """A process of a module that ends in `serve` of lpu.backend.worker, with a folder for temporary files that goes
    with it.
    """

    def __init__(self, module: str):
        self._folder = tempfile.TemporaryDirectory(prefix="lpu-backend-", ignore_cleanup_errors=True)
        self._log = open(os.path.join(self._folder.name, "stderr"), "w+b")
        # One thread each: workers run side by side. A session of its own, so that its tools end with it.
        environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **os.environ, "TMPDIR": self._folder.name,
                       "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}  # the modules that run here
        self._process = subprocess.Popen([*PYTHON, module], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=self._log, env=environment, start_new_session=True)
        self.alive = True

    def run(self, task: dict, timeout: float) -> dict:
        try:
            self._process.stdin.write(json.dumps(task).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it has died: the answer says so
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(timeout):
                self.end()
                return {"status": "failed", "reason": f"no result within {timeout:g} s"}
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        code = self._process.wait()
        self._log.seek(0)
        text = self._log.read().decode(errors="replace").split("\n")
        self.end()
        last = next((line for line in reversed(text) if line.strip()), "")
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return {"status": "failed", "reason": f"the process ended {how}: {last[:200]}"}

    def end(self) -> None:
        self.alive = False
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._log.close()
        self._folder.cleanup()


def run_tests(tests: list[Test], device: str, jobs: int = 2, timeout: float = 60, options: dict | None = None,
              report: Callable[[Test, dict], None] = lambda test, result: None) -> dict[Test, dict]:
    """Status, reason and seconds of each test; `report` is called as they come, by one thread at a time."""
    tasks = {test: {"name": test.name, "suite": test.suite, "device": device, "options": options or {}}
             for test in tests}
    return run_tasks("lpu.backend.worker", tasks, jobs, timeout, report)


def run_tasks(module: str, tasks: dict[Key, dict], jobs: int, timeout: float,
              report: Callable[[Key, dict], None] = lambda key, result: None) -> dict[Key, dict]:
    """What processes of `module` answer to each task; a failure where one ends, or takes more than `timeout` seconds;
    with the `seconds` that it took.
    """
    results: dict[Key, dict] = {}
    todo = iter(tasks)
    lock = threading.Lock()
    stopped = threading.Event()

    def work():
        worker = None
        try:
            while not stopped.is_set():
                with lock:
                    key = next(todo, None)
                if key is None:
                    return
                if worker is None or not worker.alive:
                    worker = _Worker(module)
                start = time.monotonic()
                result = worker.run(tasks[key], timeout)
                result["seconds"] = round(time.monotonic() - start, 2)
                with lock:
                    results[key] = result
                    report(key, result)
        finally:
            if worker is not None and worker.alive:
                worker.end()

    threads = [threading.Thread(target=work) for _ in range(max(1, min(jobs, len(tasks))))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        stopped.set()
        for thread in threads:
            thread.join()
        raise
    return {key: results[key] for key in tasks if key in results}
