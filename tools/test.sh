#!/usr/bin/env bash
# Builds everything and runs every test: GoogleTest, lit and pytest. The last
# line sums them; the exit code is non-zero when one failed. Suites that take
# longer than minutes are not part of it; README.md lists their commands.
set -uo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root" || exit 1
results="$root/build/test-results"
failed_steps=()

# Runs a step under its name; a failure is remembered, not fatal.
step() {
  local name="$1"
  shift
  echo "=== $name"
  "$@" && return
  failed_steps+=("--failed-step=$name")
  return 1
}

finish() {
  echo "=== results"
  exec python3 tools/test_report.py sum "$results" "${failed_steps[@]}"
}

run_lit() {
  local config
  config="$(find build/test -name 'lit.site.cfg.py' -print -quit)"
  [ -n "$config" ] || {
    echo "no lit.site.cfg.py in build/test" >&2
    return 1
  }
  build/venv/bin/lit --quiet --output "$results/lit.json" "$(dirname "$config")"
}

rm -rf "$results"
mkdir -p "$results"
# From here every result counts, so that a failed step never hides the others.
step setup bash tools/setup.sh || finish
export PATH="$root/build/venv/bin:$PATH"
if step configure cmake --preset default && step build cmake --build build; then
  step GoogleTest python3 tools/test_report.py run-gtest build "$results" || true
  step lit run_lit || true
fi
step pytest build/venv/bin/python -m pytest --quiet --junitxml="$results/pytest.xml" python/tests || true
finish
