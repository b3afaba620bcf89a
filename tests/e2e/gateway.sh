#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# kw-test: timeout 120
# gateway.sh - a node answers HTTP on its port as a trustless gateway: blocks, archives, ranges, and
# nothing that was not published; kwaai pull takes a model from it, in archives where it can.
source "$(dirname "$0")/common.bash"
source "$here/nodes.bash"

head -c 40000000 /dev/urandom >weights.bin
KWAAI_HOME=a run 0 publish weights.bin me/model
KWAAI_HOME=a run 0 show me/model --json
cid=$(grep -o 'bafy[a-z2-7]*' out | head -n 1)
[ -n "$cid" ] || failed "what is published has no CID"
start a
port=$(addr a) port=${port#*/tcp/} port=${port%%/*}

python3 - "$port" "$cid" weights.bin <<'PY'
import hashlib, http.client, sys
port, cid, path = sys.argv[1:]
data = open(path, "rb").read()
c = http.client.HTTPConnection("127.0.0.1", int(port), timeout=20)  # kept alive throughout

def get(target, method="GET", **fields):
    c.request(method, target, headers={k.replace("_", "-"): v for k, v in fields.items()})
    r = c.getresponse()
    return r.status, r.headers, r.read()

def varint(b, at):
    n = shift = 0
    while True:
        n |= (b[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if b[at - 1] < 128:
            return n, at

def blocks(car):  # the blocks of an archive, each with its codec, verified
    n, at = varint(car, 0)
    at += n
    while at < len(car):
        n, at = varint(car, at)
        block, at = car[at:at + n], at + n
        assert block[0] == 1 and block[2:4] == b"\x12\x20", block[:4]
        assert hashlib.sha256(block[36:]).digest() == block[4:36]
        yield block[1], block[36:]

status, fields, root = get(f"/ipfs/{cid}?format=raw")
assert status == 200 and fields["Content-Type"] == "application/vnd.ipld.raw", (status, fields)
assert "immutable" in fields["Cache-Control"] and fields["X-Content-Type-Options"] == "nosniff"
etag = fields["ETag"]
assert etag == f'"{cid}.raw"', etag
assert fields["X-Ipfs-Roots"] == cid
status, fields, body = get(f"/ipfs/{cid}", "HEAD", Accept="application/vnd.ipld.raw")
assert status == 200 and body == b"" and int(fields["Content-Length"]) == len(root)
status, fields, body = get(f"/ipfs/{cid}?format=raw", Range="bytes=3-9")
assert status == 206 and body == root[3:10] and fields["Content-Range"] == f"bytes 3-9/{len(root)}"
assert get(f"/ipfs/{cid}?format=raw", Range=f"bytes={len(root)}-")[0] == 416
for tags in (etag, f'"x", W/{etag}', "*"):
    status, fields, body = get(f"/ipfs/{cid}?format=raw", If_None_Match=tags)
    assert status == 304 and body == b"" and fields["ETag"] == etag, (tags, status)
assert get(f"/ipfs/{cid}?format=raw", If_None_Match='"x"')[0] == 200

status, fields, car = get(f"/ipfs/{cid}?format=car")
assert status == 200 and fields["Content-Type"].startswith("application/vnd.ipld.car; version=1")
assert fields["ETag"].startswith("W/")
assert b"".join(b for codec, b in blocks(car) if codec == 0x55) == data
status, _, car = get(f"/ipfs/{cid}?dag-scope=entity&entity-bytes=1048576:2097152", Accept="application/vnd.ipld.car;dups=y")
assert b"".join(b for codec, b in blocks(car) if codec == 0x55) == data[1 << 20:3 << 20]
status, _, car = get(f"/ipfs/{cid}?format=car&dag-scope=block")
assert [b for _, b in blocks(car)] == [root]
status, _, body = get(f"/ipfs/{cid}?format=car", "HEAD")
assert status == 200 and body == b""

for target, want in ((f"/ipfs/{cid}", 406), (f"/ipfs/{cid}?format=tar", 406), ("/ipfs/none?format=raw", 400),
                     (f"/ipfs/{cid}/name?format=raw", 404), (f"/ipfs/{cid}?format=car&dag-scope=x", 400),
                     (f"/ipfs/{cid}?format=car&entity-bytes=9:1", 400), ("/etc/passwd", 404), ("/ipns/x?format=raw", 404),
                     ("/ipfs/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku?format=raw", 404),
                     ("/ipfs/bafkqaaa?format=raw", 200)):
    status, _, body = get(target)
    assert status == want, (target, status, body)
assert get("/ipfs/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku?format=raw", Cache_Control="only-if-cached")[0] == 412
assert get("/.well-known/libp2p/protocols")[2] == b'{"/ipfs/gateway":{"path":"/"}}'
c.request("POST", f"/ipfs/{cid}?format=raw")
assert c.getresponse().status == 405
PY
holds "blocks, archives, ranges and refusals, on one connection"

KWAAI_HOME=b run 0 pull "ipfs://$cid" --from ipfs --no-mdns --gateway "http://127.0.0.1:$port"
same "$(cat out)" weights.bin
holds "kwaai pull takes a model from it"

# Between: a relay that notes what is asked for, and in its second life refuses archives.
cat >relay.py <<'PY'
import http.client, http.server, sys, threading, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args):
        print(self.path, flush=True, file=log)
    def do_GET(self):
        if sys.argv[2] == "raw" and "format=raw" not in self.path:
            self.send_response(406)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        with lock:  # one connection, as a node lets in few of an address, and not too soon after others
            for left in range(20, -1, -1):
                try:
                    c.request("GET", self.path, headers={"Accept": self.headers["Accept"]})
                    r = c.getresponse()
                    status, body = r.status, r.read()
                    break
                except (ConnectionError, http.client.HTTPException):
                    c.close()
                    if left == 0:
                        raise
                    time.sleep(0.5)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
lock = threading.Lock()
log = open(sys.argv[3], "w")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
PY
for form in car raw; do
    python3 relay.py "$port" $form asked >relay.port 2>relay.err &
    relay=$!
    pids="$pids $relay"
    for _ in $(seq 100); do [ -s relay.port ] && break; sleep 0.1; done
    rm -rf b
    KWAAI_HOME=b run 0 pull "ipfs://$cid" --from ipfs --no-mdns --limit-rate 24M --gateway "http://127.0.0.1:$(cat relay.port)"
    same "$(cat out)" weights.bin
    kill $relay
    wait $relay || true
    says asked 'format=car&dag-scope=entity&entity-bytes='
    : >relay.port
done
holds "runs of blocks come as archives, and block by block where there are none"

printf x | dd of=weights.bin bs=1 seek=100 conv=notrunc status=none
touch -d '2020-01-01' weights.bin
code=$(python3 -c 'import http.client,sys
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
c.request("GET", "/ipfs/%s?format=car" % sys.argv[2])
try:
    print(len(c.getresponse().read()))
except http.client.IncompleteRead as e:
    print(len(e.partial))' "$port" "$cid")
[ "$code" -lt 100000 ] || failed "$code bytes of a changed file were served"
holds "what has changed is not served"
