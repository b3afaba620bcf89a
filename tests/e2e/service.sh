#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# service.sh - the units of systemd: nothing in them is unknown, and little is left open.
source "$(dirname "$0")/common.bash"
kwaai node --help >help 2>&1 || true
grep -q '^Usage: kwaai node' help || { skipped "this build has no network"; exit 77; }
command -v systemd-analyze >/dev/null || { skipped "systemd-analyze is not installed"; exit 77; }

mkdir bin system user
export XDG_RUNTIME_DIR=$PWD
cp "$KWAAI" bin/kwaai
sed "s|@KWAAI_BINDIR@|$PWD/bin|" "$KW_SOURCE_DIR/tools/systemd/kwaai-node.service.in" >system/kwaai-node.service
sed "s|@KWAAI_BINDIR@|$PWD/bin|" "$KW_SOURCE_DIR/tools/systemd/kwaai-node.user.service.in" >user/kwaai-node.service
for kind in system user; do
    code=0
    systemd-analyze verify --man=no --$kind "$kind/kwaai-node.service" >out 2>err || code=$?
    [ $code = 0 ] && ! grep -q 'kwaai-node' err || failed "the $kind unit: $(cat err)"
done
holds "systemd knows everything that the units say"
systemd-analyze security --offline=yes --threshold=20 system/kwaai-node.service >out 2>err ||
    failed "exposure above 2.0: $(grep -h . out err | tail -n 3)"
holds "the service of the machine is left little"
