#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# spdx.sh - every source names its licence in its first two lines, and says nothing of where it was written.
set -u
cd "$(dirname "$0")/../.." || exit 1
status=0 n=0
files=$( (find src include tests examples tools bench cmake .ci bindings -type f 2>/dev/null; ls Makefile CMakeLists.txt) |
    grep -E '(\.(c|h|S|sh|awk|py|js|mjs|ts|cmake)|Makefile|CMakeLists\.txt|\.ci/run)$' | grep -v '/corpus/' | sort)
for file in $files; do
    n=$((n + 1))
    head -n 2 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0 OR MIT' || { echo "$file: no SPDX line"; status=1; }
done
# shellcheck disable=SC2086
if grep -nE '(^|[^A-Za-z_])(TODO|FIXME)([^0-9A-Za-z_]|$)' $files | grep -v 'tests/gates/spdx.sh'; then
    echo "a TODO belongs into an issue"
    status=1
fi
for licence in LICENSE-APACHE LICENSE-MIT; do [ -s $licence ] || { echo "$licence is missing"; status=1; }; done
[ $status = 0 ] && echo "$n files"
exit $status
