#!/usr/bin/env bash
# From a bare Debian 12 machine to a language model that chats on the reference
# executor: installs what is needed, builds, fetches the checkpoint, compiles it
# and answers a prompt. A second run only chats.
#
# usage: bash tools/demo.sh [--prompt TEXT] [--max-tokens N]
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
case "${1:-}" in
-h | --help)
  sed -n 's/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed 1d
  exit
  ;;
esac
bash tools/setup.sh
export PATH="$root/build/venv/bin:$PATH"
python -m lpu.demo.build
exec python -m lpu.demo "$@"
