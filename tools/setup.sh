# Shared by ./run, ./test and .ci/run: installs missing packages and builds. Sourced, not run.

# missing_packages LIST...: names in the lists that are not installed.
missing_packages() {
  local name
  grep -hv '^#' "$@" | while read -r name; do
    [ -n "$name" ] || continue
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
  done
}

# install_packages LIST...
install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    # Not a Debian system: the build says what it does not find.
    return 0
  fi
  local missing
  missing=$(missing_packages "$@" | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "doppel: these packages are missing, and there is no apt-get to install them: $missing" >&2
    return 2
  fi
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
      echo "doppel: these packages are missing; install them as root: apt-get install $missing" >&2
      return 2
    fi
    as_root=(sudo)
  fi
  echo "doppel: installing $missing" >&2
  "${as_root[@]}" apt-get -q=2 update >&2 || true  # An old list may still do.
  # shellcheck disable=SC2086  # A list of words.
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get -q=2 install --no-install-recommends -y $missing >&2 || {
    echo "doppel: apt-get could not install $missing" >&2
    return 2
  }
}

# quietly COMMAND...: shows the output only if the command fails.
quietly() {
  local output
  output=$(mktemp)
  if ! "$@" > "$output" 2>&1; then
    cat "$output" >&2
    rm -f "$output"
    return 1
  fi
  rm -f "$output"
}

# build_preset PRESET [TARGET...]
build_preset() {
  local preset=$1 started=$SECONDS
  shift
  if [ ! -e "build/$preset/build.ninja" ]; then
    quietly cmake --preset "$preset" || { echo "doppel: cmake failed" >&2; return 2; }
  fi
  [ -e "build/$preset/doppel" ] || echo "doppel: building, this takes some minutes the first time" >&2
  quietly cmake --build "build/$preset" ${1:+--target "$@"} || { echo "doppel: the build failed" >&2; return 2; }
  if [ $((SECONDS - started)) -gt 5 ]; then echo "doppel: built in $((SECONDS - started)) s" >&2; fi
}
