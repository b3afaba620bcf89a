#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# publish.sh - keys, signatures, manifests and the trust file, with the tool minisign on the other side; and
# what rm, du and prune take away.
source "$(dirname "$0")/common.bash"
need_builtin
kwaai list --help >/dev/null 2>&1 || { skipped "this build has no stores"; exit 77; }

export HOME=$work/user KWAAI_HOME=$work/home HF_HUB_CACHE=$work/hf OLLAMA_MODELS=$work/ollama
mkdir -p "$HOME" models home/store/me/mine
cp "$source_dir/models/builtin/stories.gguf" models/a.gguf
printf '{"x": 1}' >models/notes.json

# ---- signatures, both ways ----
printf 'some text' >text
run 1 sign text
says err "there is no publisher's key yet"
run 0 sign --generate
says err '^kwaai:   key NAME RW[A-Za-z0-9+/]{54}$'
[ "$(stat -c %a home/publisher.key)" = 600 ] || failed "others may read the secret key"
cp home/publisher.key before
run 0 sign --generate text
same before home/publisher.key
run 0 verify text --key home/publisher.pub
says err 'the signature is good; timestamp:[0-9]+.file:text.hashed'
run 0 verify text --key "$(tail -1 home/publisher.pub)"
printf 'some texT' >text
run 1 verify text --key home/publisher.pub
says err 'not what key [0-9A-F]{16} signed'
holds "a signature is made and checked; the key is made once"
if command -v minisign >/dev/null; then
    run 0 sign text --comment "version:7"
    minisign -V -m text -p home/publisher.pub >out 2>err || failed "minisign refuses our signature"
    says out 'Trusted comment: version:7'
    minisign -G -W -p their.pub -s their.key >/dev/null
    minisign -S -W -s their.key -m text >/dev/null
    run 0 verify text --key their.pub
    minisign -S -l -W -s their.key -m text >/dev/null
    run 0 verify text --key their.pub
    minisign -S -W -s home/publisher.key -m text >/dev/null
    run 0 verify text --key home/publisher.pub
    run 0 sign text --key their.key
    minisign -V -m text -p their.pub >/dev/null || failed "minisign refuses what its key signed here"
    run 1 verify text --key home/publisher.pub
    says err 'signed with key'
    holds "minisign verifies ours, and its signatures and keys are read"
else
    skipped "no minisign here: ours against the tool's"
fi

# ---- publishing ----
run 2 publish models
says err 'wants a name'
run 2 publish models 'a b'
run 0 publish models me/model --out .
says err '^kwaai: me/model is offered: 2 files, version [0-9]+$'
is_json model.manifest.json
says model.manifest.json '"name":"a.gguf","size":[0-9]+'
says model.manifest.json '"cid":"baf'
says model.manifest.json '"predicateType":"https://model_signing/signature/v1.0"'
run 0 verify model.manifest.json --key home/publisher.pub
cp model.manifest.json first
run 0 publish me/model --out . --json
is_json out
same first model.manifest.json
run 0 show me/model --json
is_json out
says out '"cid": "bafybe'
says out '"offered": true'
cid=$(grep -o 'bafybe[a-z2-7]*' out)
run 0 show "$cid"
says out '^a.gguf$'
run 0 show me/model
says out "trust   signed with key [0-9A-F]{16}, which the trust file does not have; offered"
run 0 run me/model Once -n 4 --temp 0
cp out want
holds "a folder is published under a name, the manifest is the same bytes again, and it runs"

# ---- the trust file ----
key=$(tail -1 home/publisher.pub)
printf 'key me %s\npolicy me/* enforce me\npolicy other/* enforce\n' "$key" >home/trust.conf
run 0 run me/model Once -n 4 --temp 0
same out want
run 0 verify me/model
says err 'signed by me'
cp models/a.gguf home/store/me/mine/a.gguf
run 2 run me/mine Once -n 4
says err 'refused by the trust file \(enforce\): me/mine is not signed'
run 1 verify me/mine
says err 'the trust file refuses it'
printf 'X' | dd of=models/a.gguf bs=1 seek=5000 conv=notrunc 2>/dev/null
run 2 run me/model Once -n 4
says err 'not the content that the manifest of me/model says'
run 1 verify me/model
says out '^differs from the manifest .*a\.gguf'
printf 'key me %s\npolicy me/* enforce you\n' "$key" >home/trust.conf
run 1 run me/model Once
says err 'names the key you, which is not there'
rm home/trust.conf
holds "what is not signed, changed, or signed by another does not run where the policy is enforce"

# ---- du, rm, prune ----
digest=$(sha256sum home/store/me/mine/a.gguf | cut -d' ' -f1)
mkdir -p hf/models--org--stories/{blobs,snapshots/abc}
cp home/store/me/mine/a.gguf "hf/models--org--stories/blobs/$digest"
ln -s "../../blobs/$digest" hf/models--org--stories/snapshots/abc/m.gguf
run 0 verify me/mine
run 0 du
says out '^store +1 +2.09 MiB'
says out 'more than once: 2.09 MiB'
run 0 du --json
is_json out
if command -v python3 >/dev/null; then # an index as it was before it knew what is shared
    python3 -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.executescript("ALTER TABLE files DROP COLUMN shared; PRAGMA user_version = 1")' home/index.db
    run 0 show me/model
    holds "an index of an earlier version is brought to this one"
else
    skipped "no python3 to make an index of an earlier version"
fi
run 2 rm org/stories
says err "another program's: --force"
[ -e hf/models--org--stories/snapshots/abc/m.gguf ] || failed "rm took what is another program's"
run 0 rm me/mine
says err 'removed 1 files, 2.09 MiB'
[ ! -e home/store/me ] || failed "rm left empty directories"
run 0 rm me/model
says err 'forgot me/model; its files stay'
[ -e models/a.gguf ] || failed "rm took the files of a folder"
run 1 show me/model
run 0 rm org/stories --force
[ ! -e "hf/models--org--stories/blobs/$digest" ] || failed "rm --force left the blob"
mkdir -p home/store/.partial
printf x >home/store/.partial/old.part
printf x >home/store/.partial/new.part
touch -d '3 days ago' home/store/.partial/old.part
run 0 prune --dry-run
[ -e home/store/.partial/old.part ] || failed "prune --dry-run removed something"
run 0 prune
says err 'removed 1 files'
[ ! -e home/store/.partial/old.part ] || failed "prune left an old part"
[ -e home/store/.partial/new.part ] || failed "prune took a part of today"
holds "rm and prune take what is ours and leave what is not"
