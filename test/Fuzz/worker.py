"""Runs graphs whose seeds come on standard input: see lpu.backend.worker."""

import sys

from lpu.backend.worker import serve

from Fuzz import compare
from Fuzz.generate import generate


def handle(task: dict) -> dict:
    # The last line of the log says where a process ended that could not answer.
    print(f"drawing {task['seed']}", file=sys.stderr, flush=True)
    case = generate(task["seed"])
    print(f"running {task['seed']}", file=sys.stderr, flush=True)
    result = compare.run_case(case)
    result["nodes"] = len(case.model.graph.node)
    result["operators"] = sorted({node.op_type for node in case.model.graph.node})
    result["refused_nodes"] = dict(case.refused)
    if result["status"] in compare.SHRUNK and task.get("folder"):
        small = compare.shrink(case, result["status"])
        result["shrunk"] = " ".join(node.op_type for node in small.model.graph.node)
        result["reason"] = compare.run_case(small)["reason"] or result["reason"]
        compare.save(small, f"{task['folder']}/{task['seed']}.onnx")
    return result


if __name__ == "__main__":
    serve(handle)
