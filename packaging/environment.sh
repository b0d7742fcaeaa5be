# shellcheck shell=sh
# Sourced by packaging/run and packaging/test from the project's root: makes .venv ready.
#
#   prepare_environment run     what the application needs
#   prepare_environment test    the same and the tools of the checks
#
# Every package is pinned by version and hash in packaging/constraints*.txt. uv does the work where it is on PATH,
# else pip. A stamp in .venv remembers what was installed, so that the second time takes no time and no network.

venv=.venv
venv_python=$venv/bin/python
supported="3.13 3.12 3.11" # keep with requires-python in pyproject.toml

say() { printf '%s\n' "droid-tune: $*" >&2; }

fail() {
    say "$*"
    exit 1
}

prepare_environment() {
    purpose=$1
    refuse_unsupported_machine
    if [ -x "$venv_python" ] && is_supported "$venv_python"; then
        stamp_matches "$purpose" && return 0
    else
        make_venv
    fi
    say "installing into $venv (once)"
    install_packages "$purpose"
    stamp_text >"$(stamp_file "$purpose")"
}

refuse_unsupported_machine() {
    [ "$(uname -s)" = Darwin ] || return 0
    if [ "$(sysctl -n hw.optional.arm64 2>/dev/null)" != 1 ]; then
        fail "this Mac has an Intel processor; MLX needs Apple silicon (M1 or later)."
    fi
    version=$(sw_vers -productVersion)
    if [ "${version%%.*}" -lt 14 ]; then
        fail "this Mac runs macOS $version; MLX needs macOS 14 or later, please update it in System Settings."
    fi
}

# --- the interpreter -------------------------------------------------------------------------------------------------

# A supported version and, on a Mac, a native one: MLX has no wheels for Python under Rosetta.
is_supported() {
    "$1" -c '
import platform, sys
native = sys.platform != "darwin" or platform.machine() == "arm64"
sys.exit(not (native and (3, 11) <= sys.version_info[:2] < (3, 14)))' >/dev/null 2>&1
}

find_python() {
    for version in $supported; do
        if is_supported "python$version"; then
            echo "python$version"
            return 0
        fi
    done
    is_supported python3 && echo python3
}

make_venv() {
    if python=$(find_python); then
        if command -v uv >/dev/null 2>&1; then
            uv venv --quiet --clear --python "$python" "$venv" && return 0
        fi
        "$python" -m venv --clear "$venv" && return 0
        fail "$python could not make a virtual environment; on Debian and Ubuntu install the package python3-venv."
    fi
    # An older python3 (macOS brings 3.9) is enough to fetch uv, which brings a Python of its own.
    uv=$(find_or_fetch_uv) || fail "no Python 3.11, 3.12 or 3.13 was found; install one from python.org and run this again."
    say "no Python 3.11 to 3.13 was found; uv fetches one"
    "$uv" venv --quiet --clear --python '>=3.11,<3.14' "$venv" ||
        fail "uv could not fetch a Python; install 3.13 from python.org and run this again."
}

find_or_fetch_uv() {
    command -v uv && return 0
    { python3 -m venv build/uv && build/uv/bin/python -m pip install --quiet uv; } >/dev/null 2>&1 || return 1
    echo build/uv/bin/uv
}

# --- the packages ----------------------------------------------------------------------------------------------------

install_packages() {
    set -- -r packaging/constraints.txt
    [ "$purpose" = run ] || set -- "$@" -r packaging/constraints-test.txt
    install_with_uv_or_pip --require-hashes "$@" ||
        fail "the packages could not be installed; the lines above say why (is there a network?)."
    # The project itself, editable: hatchling is among the pinned packages, so nothing more is fetched.
    install_with_uv_or_pip --no-deps --no-build-isolation --editable . ||
        fail "the project itself could not be installed into $venv; the lines above say why."
    # As the packages' own: the window opens a third sooner, from the first time on.
    "$venv_python" -m compileall -q droid_tune ui || say "bytecode could not be written; starting takes a little longer."
}

# With bytecode, which pip writes by itself.
install_with_uv_or_pip() {
    if command -v uv >/dev/null 2>&1; then
        uv pip install --quiet --compile-bytecode --python "$venv_python" "$@"
    elif [ -x build/uv/bin/uv ]; then
        build/uv/bin/uv pip install --quiet --compile-bytecode --python "$venv_python" "$@"
    else
        # uv leaves pip out of the environments it makes.
        "$venv_python" -m pip --version >/dev/null 2>&1 || "$venv_python" -m ensurepip >/dev/null || return 1
        "$venv_python" -m pip install -qq --disable-pip-version-check "$@"
    fi
}

# --- the stamp -------------------------------------------------------------------------------------------------------

stamp_file() { echo "$venv/droid-tune-installed-$1"; }

stamp_text() {
    pwd
    cat pyproject.toml packaging/constraints.txt packaging/constraints-test.txt | cksum
}

# What the tests need includes what the application needs.
stamp_matches() {
    expected=$(stamp_text)
    [ "$expected" = "$(cat "$(stamp_file test)" 2>/dev/null)" ] && return 0
    [ "$1" = run ] && [ "$expected" = "$(cat "$(stamp_file run)" 2>/dev/null)" ]
}

# --- Linux only ------------------------------------------------------------------------------------------------------

# MLX's CPU wheels bring the reference BLAS; OpenBLAS, where Debian has it, is 20 to 40 times faster. Macs have their own.
use_fast_blas() {
    for library in /usr/lib/*-linux-gnu/openblas-serial/libopenblas.so.0; do
        [ -e "$library" ] && export LD_PRELOAD="$library${LD_PRELOAD:+:$LD_PRELOAD}"
    done
    return 0
}
