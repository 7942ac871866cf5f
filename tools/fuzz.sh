#!/usr/bin/env bash
# Compiles random graphs, runs them on the executor and compares with
# onnxruntime; arguments are those of `python -m Fuzz`, --help lists them.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# The folder marks this build tree as the one whose tools are used, with and
# without the extension module.
mkdir -p "$root/build/python/lpu"
export PYTHONPATH="$root/python:$root/build/python:$root/test"
exec "$root/build/venv/bin/python" -m Fuzz "$@"
