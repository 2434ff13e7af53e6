# shellcheck shell=bash
# lib.sh - an installed Runnel for the tests of its use from outside.   SPDX-License-Identifier: MIT
# Sourced after tests/e2e/lib.sh.
RUNNEL_BUILD=${RUNNEL_BUILD:?the build directory}
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)

# Installs into $work/prefix; sets $libdir.
install_runnel() {
  prefix=$work/prefix
  cmake --install "$RUNNEL_BUILD" --prefix "$prefix" >"$work/install.err" 2>&1 || fail "cmake --install failed"
  libdir=$(dirname "$(find "$prefix" -name runnel.pc)")
  [[ -f $libdir/runnel.pc ]] || fail "no runnel.pc was installed"
  export PKG_CONFIG_PATH=$libdir
  libdir=${libdir%/pkgconfig}
  # A program of a user is built without our sanitizers and cannot load a library that was built with one.
  if nm -D "$libdir"/librunnel.so 2>/dev/null | grep -E '__(asan|tsan)_init' >/dev/null; then
    echo "built with a sanitizer: not usable from outside"
    exit 77
  fi
}

# Compiles one file against the installed library.
compile() { # COMPILER FILE OUT [FLAGS...]
  local flags
  read -ra flags < <(pkg-config --cflags --libs runnel)
  "$1" -Wall -Wextra -Werror "${@:4}" "$2" -x none -o "$3" "${flags[@]}" -Wl,-rpath,"$libdir" 2>"$work/${3##*/}.err" ||
    fail "$1 does not compile $2 against the installed library"
}
