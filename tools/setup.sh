#!/usr/bin/env bash
# Gets what the build and the tests need: Debian packages, and PyPI packages in
# a virtual environment in build/venv. A run that finds everything in place
# changes nothing, needs no network and takes less than a second.
#
# usage: bash tools/setup.sh [--check]
#   --check   install nothing; list what is missing; exit code 1 when something is
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="$root/build/venv"
requirements="$root/python/requirements.txt"
stamp="$venv/.requirements-installed"

fail() {
  echo "setup: $*" >&2
  exit 1
}

# Prints the Debian packages of tools/debian-packages.txt that are not installed.
missing_packages() {
  local names installed
  names="$(grep -v '^#' "$root/tools/debian-packages.txt")"
  # dpkg-query exits non-zero when it does not know one of the names.
  # shellcheck disable=SC2086
  installed="$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' $names 2>/dev/null |
    awk '$2 == "installed" { print $1 }' || true)"
  comm -23 <(sort -u <<<"$names") <(sort -u <<<"$installed")
}

install_packages() {
  local missing="$1"
  echo "setup: installing Debian packages:" $missing
  # shellcheck disable=SC2086
  apt-get update -q &&
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing ||
    fail "apt-get could not install:" $missing
  missing="$(missing_packages)"
  [ -z "$missing" ] || fail "still missing after apt-get install:" $missing
}

# Prints a Python 3.11: the wheels of python/requirements.txt are for it. The one
# of an active build/venv does not count, it is about to be removed.
find_python() {
  local candidate
  for candidate in python3.11 python3 /usr/bin/python3.11; do
    if "$candidate" -c 'import sys, venv, ensurepip
sys.exit(sys.version_info[:2] != (3, 11) or sys.prefix == sys.argv[1])' "$venv" 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  fail "expected Python 3.11 with venv, got $(python3 --version 2>/dev/null || echo 'no python3')"
}

# What the environment was made from; a change makes it anew.
fingerprint() {
  echo "$root"
  sha256sum <"$requirements"
  echo "paths: python build/python"
}

install_venv() {
  local python
  python="$(find_python)"
  echo "setup: installing PyPI packages into build/venv"
  rm -rf "$venv"
  "$python" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: \
    --require-hashes --requirement "$requirements" ||
    fail "pip could not install python/requirements.txt"
  # The package lpu runs from the source tree, with its extension from the build tree.
  printf '%s\n' "$root/python" "$root/build/python" \
    >"$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/lpu-source.pth"
  fingerprint >"$stamp"
}

check_only=no
case "${1:-}" in
"") ;;
--check) check_only=yes ;;
*) fail "expected --check or nothing, got $1" ;;
esac

missing="$(missing_packages)"
venv_ready=no
if [ -f "$stamp" ] && [ "$(fingerprint)" = "$(cat "$stamp")" ] && [ -x "$venv/bin/python" ]; then
  venv_ready=yes
fi

if [ "$check_only" = yes ]; then
  [ -z "$missing" ] || echo "missing Debian packages:" $missing
  [ "$venv_ready" = yes ] || echo "missing: build/venv with python/requirements.txt"
  [ -z "$missing" ] && [ "$venv_ready" = yes ]
  exit
fi

if [ -n "$missing" ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "setup: these Debian packages are missing and only root may install them; run" >&2
    echo "  sudo apt-get install" $missing >&2
    exit 1
  fi
  install_packages "$missing"
fi
[ "$venv_ready" = yes ] || install_venv
