#!/usr/bin/env bash
# Makes .venv from the pins of constraints.txt. Running it again repairs a half-made environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

UV_VERSION=0.13.9
ALL_EXTRAS=airflow,train,production,dev,deep,peers
EXTRAS=${EXTRAS:-$ALL_EXTRAS}
NEEDED_GB=5
VENV_PYTHON=.venv/bin/python
UNFINISHED=.venv/.unfinished

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# A name on PATH may be a shim that does not run, so each one is asked.
runs() {
  "$1" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

find_python() {
  if [ -n "${PYTHON:-}" ]; then
    runs "$PYTHON" || fail "PYTHON=$PYTHON is no working Python 3.11 to 3.13 with venv: name another or unset it"
    echo "$PYTHON"
    return
  fi
  for name in python3.11 python3.12 python3.13 python3; do
    if runs "$name"; then echo "$name"; return; fi
  done
  fail "no working Python 3.11 to 3.13 with venv found: install one (Debian: apt-get install python3 python3-venv)" \
    "or name it with PYTHON=/path/to/python make setup"
}

check_machine() {
  local free_gb
  free_gb=$(($(df -Pk . | awk 'NR == 2 {print $4}') / 1048576))
  if [ ! -f .venv/.ready ] && [ "$free_gb" -lt "$NEEDED_GB" ]; then
    fail "$free_gb GB free in $PWD, $NEEDED_GB GB are needed: free some, or clone to another disk"
  fi
  if [ "$(uname -s)" = Linux ] && ! "$1" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null; then
    fail "LightGBM needs the system library libgomp1: apt-get install libgomp1 (Fedora: dnf install libgomp)"
  fi
  "$1" - <<'PORTS'
import socket
for port, server in ((8080, "Airflow"), (5000, "MLflow"), (8001, "Evidently"), (8000, "the API")):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            print(f"setup: port {port} is in use, so make up will choose another for {server}")
PORTS
}

# uv reads none of pip's settings, so those that say where packages come from are passed on.
find_links=()
offered_wheel() { # offered_wheel NAME: whether a find-links folder holds a wheel of that name for this Python
  local place tag
  tag=$("$VENV_PYTHON" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
  for place in ${find_links[@]+"${find_links[@]}"}; do
    if compgen -G "$place/$1-*-$tag-*.whl" >/dev/null; then return 0; fi
  done
  return 1
}

read_pip_settings() {
  local place index
  for place in ${PIP_FIND_LINKS:-} $("$VENV_PYTHON" -m pip config get global.find-links 2>/dev/null || true); do
    case " ${find_links[*]-} " in *" $place "*) continue ;; esac
    case "$place" in *://*) ;; *) [ -e "$place" ] || continue ;; esac
    find_links+=("$place")
  done
  index=${PIP_INDEX_URL:-$("$VENV_PYTHON" -m pip config get global.index-url 2>/dev/null || true)}
  if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}" ]; then export UV_DEFAULT_INDEX="$index"; fi
}

make_venv() { # make_venv PYTHON
  if [ -d .venv ] && ! "$VENV_PYTHON" -m pip --version >/dev/null 2>&1; then
    say ".venv does not run: making it anew"
    rm -rf .venv
  elif [ -n "${PYTHON:-}" ] && [ -d .venv ] && [ "$(version "$VENV_PYTHON")" != "$(version "$1")" ]; then
    say ".venv has Python $(version "$VENV_PYTHON"), PYTHON has $(version "$1"): making it anew"
    rm -rf .venv
  fi
  [ -d .venv ] || "$1" -m venv .venv
}

version() { "$1" -c 'import platform; print(platform.python_version())'; }

install() {
  local options=(--quiet --compile-bytecode -c constraints.txt) place
  for place in ${find_links[@]+"${find_links[@]}"}; do options+=(--find-links "$place"); done
  if [ -f "$UNFINISHED" ]; then
    say "the last run was interrupted: installing every package again"
    options+=(--reinstall)
  fi
  touch "$UNFINISHED"
  # Elsewhere than in a find-links folder torch comes with several GB of CUDA libraries, and no stage needs it yet.
  if [ "$EXTRAS" = "$ALL_EXTRAS" ] && ! offered_wheel torch; then
    EXTRAS=${EXTRAS%,deep,peers}
    say "no find-links folder offers a torch wheel for this Python: leaving out what needs torch, the extras deep" \
      "and peers (EXTRAS=deep,peers,${EXTRAS} make setup takes the GPU build)"
  fi
  "$VENV_PYTHON" -m uv pip install --python "$VENV_PYTHON" "${options[@]}" -e ".[$EXTRAS]"
}

python=$(find_python)
check_machine "$python"
rm -f .venv/.ready
make_venv "$python"
say "Python $(version "$VENV_PYTHON") ($("$VENV_PYTHON" -c 'import sys; print(sys.base_prefix)')) in $PWD/.venv"
if [ "$("$VENV_PYTHON" -m uv --version 2>/dev/null | cut -d' ' -f2)" != "$UV_VERSION" ]; then
  "$VENV_PYTHON" -m pip install --quiet "uv==$UV_VERSION"
fi
read_pip_settings
say "installing [$EXTRAS] with the pins of constraints.txt (about a minute)"
install
rm -f "$UNFINISHED"
touch .venv/.ready
say "done"
