#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# help.sh - help, mistakes on the command line, version, completions, the manual page.
source "$(dirname "$0")/common.bash"

commands="run inspect tensors tokenize detokenize logits embed bench quantize imatrix perplexity merge convert doctor help completion man version"
if kwaai node --help >help 2>&1 && grep -q '^Usage: kwaai node' help; then
    commands="$commands list show rm du prune publish verify sign pull node export import"
fi

run 0 --help
says out '^Usage: kwaai COMMAND'
silent err
cp out overview
run 0 help
same out overview
run 0 -h
same out overview
for c in $commands; do
    says overview "^  $c "
    run 0 "$c" --help
    says out "^Usage: kwaai $c "
    silent err
    cp out by_flag
    run 0 help "$c"
    same out by_flag
    run 0 "$c" -h
    same out by_flag
    [ "$(awk 'length > 80' out | wc -l)" = 0 ] || failed "help of $c is wider than 80 columns"
done
holds "every command has its help, in 80 columns, on stdout"

run 2
says err '^Usage: kwaai COMMAND'
silent out
run 2 rnu
says err 'did you mean run\?'
run 2 run --tmep 1
says err 'unknown option --tmep; did you mean --temp\?'
says err '^Try: kwaai run --help'
run 2 run --temp
says err 'needs a value'
run 2 run --temp warm
says err 'not a number'
run 2 run a b c
run 2 help nothing
run 2 doctor extra
says err 'one argument too many: "extra"'
run 2 --verbose run
run 2 "$source_dir"
says err 'did you mean kwaai run'
KWAAI_TEMP=warm run 2 run
says err 'KWAAI_TEMP: "warm" is not a number'
case $commands in *node*)
    run 2 node staus
    says err 'did you mean status\?'
    run 2 node start --contribute maybe
    says err 'none of: when-optimal always never'
    run 2 pull foo
    says err '"foo" is not ORG/NAME; one of Ollama.s is ollama.com/foo'
    run 2 pull ftp://example.org/model.gguf
    says err 'no address of http, https or ipfs'
    KWAAI_HOME=$work/home run 1 node follow nobody
    says err 'neither a public key'
    ! grep -q '^hint: a MODEL' err || failed "a hint about models where a key is wanted" ;;
esac
holds "mistakes exit with 2 and name the nearest thing"

run 0 --version
says out '^kwaai [0-9]+\.[0-9]+\.[0-9]+$'
cp out version
run 0 version
same out version
run 0 version --json
is_json out
holds "version, also as JSON"

run 0 completion bash
bash -n out || failed "the bash completion does not parse"
cp out completion.bash
# shellcheck disable=SC1091
complete_words() {
    bash --norc -c 'source ./completion.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kwaai
        printf "%s\n" "${COMPREPLY[@]}"' _ "$@"
}
complete_words kwaai tok | grep -x tokenize >/dev/null || failed "kwaai tok<Tab> gives no tokenize"
complete_words kwaai run --top | grep -x -- --top-k >/dev/null || failed "run --top<Tab> gives no --top-k"
complete_words kwaai run --cache-type "" | grep -x f32 >/dev/null || failed "--cache-type <Tab> gives no f32"
complete_words kwaai inspect --stage p | grep -x plan >/dev/null || failed "--stage p<Tab> gives no plan"
case $commands in *node*)
    complete_words kwaai node st | grep -x status >/dev/null || failed "node st<Tab> gives no status"
    complete_words kwaai node --contribute "" | grep -x never >/dev/null || failed "--contribute <Tab> gives no never" ;;
esac
complete_words kwaai completion z | grep -x zsh >/dev/null || failed "completion z<Tab> gives no zsh"
touch model.gguf
complete_words kwaai run mod | grep -x model.gguf >/dev/null || failed "run mod<Tab> gives no file"
holds "bash completion parses and completes"
for shell in zsh fish; do
    run 0 completion $shell
    if command -v $shell >/dev/null 2>&1; then
        $shell -n out || failed "the $shell completion does not parse"
        holds "$shell completion parses"
    else
        skipped "$shell is not installed: its completion is not parsed"
    fi
done
run 2 completion
run 2 completion tcsh
holds "an unknown shell is refused"

run 0 man
silent err
for c in $commands; do says out "^\.SS \"kwaai $c\""; done
cp out kwaai.1
if command -v groff >/dev/null 2>&1; then
    groff -man -ww -Tascii -P-c kwaai.1 2>warnings | sed 's/.\x08//g' >page
    [ ! -s warnings ] || failed "the manual page has warnings: $(head -3 warnings)"
    says page 'EXIT STATUS'
    says page '--repeat-penalty'
    holds "the manual page renders without warnings"
elif command -v mandoc >/dev/null 2>&1; then
    mandoc -T lint -W warning kwaai.1 >warnings || failed "the manual page: $(head -3 warnings)"
    holds "the manual page passes mandoc"
else
    skipped "neither groff nor mandoc is installed: the manual page is not rendered"
fi
