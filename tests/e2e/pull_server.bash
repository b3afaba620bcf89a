# SPDX-License-Identifier: Apache-2.0 OR MIT
# pull_server.bash - a web server on $port for the tests of pull; sourced after common.bash.
kwaai help pull >out 2>err || { skipped "this build has no network"; exit 77; }
command -v python3 >/dev/null || { skipped "no python3 for the web server"; exit 77; }
export HOME=$work/home KWAAI_HOME=$work/kwaai no_proxy=127.0.0.1,localhost
unset HF_TOKEN HF_ENDPOINT http_proxy HTTP_PROXY https_proxy HTTPS_PROXY all_proxy ALL_PROXY
mkdir -p "$HOME" www
serve() { # DIR: sets port
    coproc SERVER { exec python3 "$here/http_server.py" "$1" 2>server.err; }
    read -r port <&"${SERVER[0]}"
    server=$SERVER_PID
    pids="$pids $server"
}
serve www
