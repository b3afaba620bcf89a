#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# docs.sh - what the documents say exists: links between files, make targets, subcommands and flags of kwaai.
set -u
cd "$(dirname "$0")/../.." || exit 1
kwaai=${KWAAI:-build/release/bin/kwaai}
status=0 n=0
documents=$(ls README.md CONTRIBUTING.md docs/*.md docs/*/*.md models/*/*.md 2>/dev/null)
[ -f README.md ] || { echo "README.md is missing"; status=1; }
for document in $documents; do
    n=$((n + 1))
    folder=$(dirname "$document")
    for link in $(grep -o '](\([^)]*\))' "$document" | sed 's/^](//; s/)$//; s/#.*//' | grep -v '^[a-z]*:' | sort -u); do
        [ -e "$folder/$link" ] || { echo "$document: $link is not there"; status=1; }
    done
    for target in $(grep -oE '(^|`)make [a-z]+' "$document" | sed 's/.*make //' | sort -u); do
        grep -q "^$target:" Makefile || { echo "$document: no target make $target"; status=1; }
    done
done
if [ -x "$kwaai" ]; then
    commands=$("$kwaai" --help 2>&1)
    # Lines of code that begin with kwaai: the subcommand and each --flag are in the command's own help.
    cat README.md docs/*.md 2>/dev/null | grep -oE '^(\$ )?(build/bin/)?kwaai [a-z]+.*' | sed 's/^\$ //; s/#.*//; s/|.*//' | sort -u |
        {
            bad=0
            while read -r _ command rest; do
                if ! echo "$commands" | grep -qE "(^|[^a-z-])$command([^a-z-]|\$)"; then
                    echo "no subcommand: kwaai $command"; bad=1; continue
                fi
                help=$("$kwaai" "$command" --help 2>&1)
                for flag in $(echo "$rest" | grep -oE '(^| )--[a-z][a-z0-9-]*'); do
                    echo "$help" | grep -q -e "$flag" || { echo "kwaai $command has no $flag"; bad=1; }
                done
            done
            exit $bad
        } || status=1
fi
[ $status = 0 ] && echo "$n documents"
exit $status
