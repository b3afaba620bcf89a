#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# hello.sh - examples/hello.c, built by the build or by cc, continues a text.
source "$(dirname "$0")/common.bash"
model=$source_dir/models/builtin/stories.gguf
[ -f "$model" ] || { skipped "no $model"; exit 77; }
[ "$(wc -l <"$source_dir/examples/hello.c")" -le 30 ] || failed "hello.c is longer than 30 lines"
hello=${KW_BUILD_DIR:-}/bin/example-hello
if [ ! -x "$hello" ]; then
    skipped "no $hello: the build has no examples"
    exit 77
fi
"$hello" "$model" "The little dog" >out 2>err || failed "hello fails"
[ "$(wc -c <out)" -gt 50 ] || failed "hello writes next to nothing"
code=0
"$hello" missing.gguf >out 2>err || code=$?
[ $code = 1 ] || failed "hello with a missing file: exit code $code"
says err 'missing\.gguf'
holds "hello.c builds, runs, and names what is missing"
