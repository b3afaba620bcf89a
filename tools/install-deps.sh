#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# install-deps.sh [run|test|ci|nightly] - makes sure that the Debian packages of a set are there.
#
# Nothing missing: answers at once, without network. Else it installs as root or through sudo; where it
# cannot, it prints the one command that a person would type and fails. Packages marked optional that
# this system does not offer are named and left out; what needs them is skipped by name later.
set -u
want=${1:-run}
case $want in
run) level=1 ;;
test) level=2 ;;
ci) level=3 ;;
nightly) level=4 ;;
*) echo "usage: $0 [run|test|ci|nightly]" >&2; exit 2 ;;
esac

# level, package, r(equired) or o(ptional), a command or file that shows it is there some other way
packages='
1 cmake r cmake
1 ninja-build r ninja
1 pkg-config r pkg-config
1 libpcre2-dev r /usr/include/pcre2.h
1 libutf8proc-dev r /usr/include/utf8proc.h
1 libssl-dev r /usr/include/openssl/evp.h
1 libuv1-dev r /usr/include/uv.h
1 libcurl4-openssl-dev r curl-config
1 libsqlite3-dev r /usr/include/sqlite3.h
1 libusrsctp-dev o /usr/include/usrsctp.h
2 libcmocka-dev r /usr/include/cmocka.h
2 gcc-aarch64-linux-gnu o aarch64-linux-gnu-gcc
2 libc6-dev-arm64-cross o /usr/aarch64-linux-gnu/include/stdio.h
2 qemu-user o qemu-aarch64
2 clang-19 o clang-19
2 llvm-19 o llvm-ar-19
2 lld-19 o wasm-ld-19
2 wasi-libc o /usr/include/wasm32-wasi/stdio.h
2 libclang-rt-19-dev-wasm32 o /usr/lib/llvm-19/lib/clang/19/lib/wasi/libclang_rt.builtins-wasm32.a
2 nodejs o node
2 minisign o minisign
3 libclang-rt-19-dev o /usr/lib/llvm-19/lib/clang/19/lib/linux/libclang_rt.asan-x86_64.a
3 clang-format-19 o clang-format-19
3 clang-tidy-19 o clang-tidy-19
3 g++ o g++
3 chromium o chromium
4 valgrind o valgrind
4 nftables o nft
'

present() { # the probe of a package
    case $1 in
    /*) [ -e "$1" ] ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

required='' optional=''
old_ifs=$IFS
IFS='
'
for row in $packages; do
    IFS=' '
    # shellcheck disable=SC2086
    set -- $row
    if [ "$1" -le "$level" ] && ! present "$4"; then
        if [ "$3" = r ]; then required="$required $2"; else optional="$optional $2"; fi
    fi
done
IFS=$old_ifs
# Headers may lie in a multiarch folder: ask the package database about the little that is left.
if [ -n "$required$optional" ] && command -v dpkg-query >/dev/null 2>&1; then
    # shellcheck disable=SC2086
    installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $required $optional 2>/dev/null |
        sed -n 's/ installed$//p' | tr '\n' ' ')
    keep() {
        for name in "$@"; do
            case " $installed" in *" $name "*) ;; *) printf ' %s' "$name" ;; esac
        done
    }
    # shellcheck disable=SC2086
    required=$(keep $required) optional=$(keep $optional)
fi
[ -n "$required$optional" ] || exit 0

say() { echo "deps: $*" >&2; }
# What this system was found not to offer is not asked for again for a day.
memory=$(dirname "$0")/../build/deps-absent
if [ -z "$required" ] && [ -n "$(find "$memory" -mtime -1 2>/dev/null)" ]; then
    known=" $(cat "$memory") " fresh=''
    for name in $optional; do
        case $known in *" $name "*) ;; *) fresh="$fresh $name" ;; esac
    done
    if [ -z "$fresh" ]; then
        say "going on without:$optional (not offered here; what needs them will be skipped)"
        exit 0
    fi
fi
remember() {
    mkdir -p "$(dirname "$memory")" && echo "$*" >"$memory"
}
refuse() {
    say "cannot install packages here ($1). As an administrator, type:"
    say "  apt-get install -y$required$optional"
    # Only what is required stops the build.
    [ -z "$required" ] || exit 1
    say "going on without:$optional"
    exit 0
}
command -v apt-get >/dev/null 2>&1 || refuse "there is no apt-get"
if [ "$(id -u)" = 0 ]; then
    as_root=''
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root='sudo -n'
elif command -v sudo >/dev/null 2>&1 && [ -t 0 ] && [ -t 2 ]; then
    say "sudo may ask for your password"
    as_root='sudo'
else
    refuse "not root, and sudo needs a password"
fi

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
apt() {
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@" \
        </dev/null >"$log" 2>&1
}
say "reading the package lists"
apt update || say "apt-get update failed; trying with the lists that are here"

offered='' absent=''
for name in $optional; do
    case $(apt-cache policy "$name" 2>/dev/null | sed -n 's/^ *Candidate: *//p') in
    '' | '(none)') absent="$absent $name" ;;
    *) offered="$offered $name" ;;
    esac
done
if [ -n "$absent" ]; then
    say "this system does not offer:$absent (what needs them will be skipped)"
    # shellcheck disable=SC2086
    remember $absent
fi
[ -n "$required$offered" ] || exit 0

say "installing:$required$offered"
# shellcheck disable=SC2086
if apt install -y --no-install-recommends $required $offered; then
    say "done"
    exit 0
fi
# One bad optional package must not cost the rest.
status=0
for name in $required; do
    apt install -y --no-install-recommends "$name" || { say "could not install $name:"; tail -n 5 "$log" >&2; status=1; }
done
for name in $offered; do
    apt install -y --no-install-recommends "$name" && continue
    say "could not install $name (what needs it will be skipped)"
    absent="$absent $name"
done
# shellcheck disable=SC2086
remember $absent
[ $status = 0 ] || say "please try: apt-get install -y$required"
exit $status
