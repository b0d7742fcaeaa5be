# shellcheck shell=sh
# Sourced by packaging/sign, notarize, dmg and smoke-test from the project's root: arguments and the dry run.
#
# With --dry-run every command is printed instead of run, so that the steps can be read (and tested) on any machine.

app="$PWD/dist/Droid Tune.app"
dry_run=
# A path given as an argument is meant relative to where the user stands, not to the project.
here=${OLDPWD:-$PWD}

say() { printf '%s\n' "$me: $*" >&2; }

fail() {
    say "$*"
    exit 1
}

# Takes --dry-run, --help and the application's path; everything else goes to the function `option` of the script,
# which returns how many words it took.
read_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
        --dry-run) dry_run=yes ;;
        --help | -h)
            sed -n '2,/^[^#]/{s/^# \{0,1\}//p;}' "$0"
            exit 0
            ;;
        --*)
            option "$@"
            shift
            [ $# -gt 0 ] || fail "the last option needs a value; see $me --help"
            ;;
        /*) app=${1%/} ;;
        *) app=$here/${1%/} ;;
        esac
        shift
    done
}

need_mac_and_app() {
    [ -n "$dry_run" ] && return
    [ "$(uname -s)" = Darwin ] || fail "this step needs a Mac; --dry-run shows what it would do."
    [ -d "$app" ] || fail "$app does not exist; build it with packaging/build-app."
}

# Prints a command so that it can be pasted into a shell; no value that the caller marked as secret is among them.
show() {
    line=
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_@%+=:,./-]* | '') line="$line '$(printf %s "$word" | sed "s/'/'\\\\''/g")'" ;;
        *) line="$line $word" ;;
        esac
    done
    printf '+%s\n' "$line"
}

run() {
    show "$@"
    [ -n "$dry_run" ] || "$@"
}
