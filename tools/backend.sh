#!/usr/bin/env bash
# Runs the backend tests of the onnx package with this tree's tools; arguments
# are those of `python -m lpu.backend`, --help lists them.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# The folder marks this build tree as the one whose tools are used, with and
# without the extension module.
mkdir -p "$root/build/python/lpu"
export PYTHONPATH="$root/python:$root/build/python"
exec "$root/build/venv/bin/python" -m lpu.backend "$@"
