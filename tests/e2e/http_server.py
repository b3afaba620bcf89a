# SPDX-License-Identifier: Apache-2.0 OR MIT
"""http_server.py DIR - a web server for tests of downloads that misbehaves on request.

Prints the port it listens on (of 127.0.0.1) and serves until its standard input ends. A request line
and its Range and Authorization are written to DIR/.log. Behaviour is in the first part of the path:

    /plain/F       the file, with ranges and an ETag
    /noranges/F    the whole file, whatever was asked for
    /nolength/F    without a length
    /cut/N/F       the connection ends after N bytes of each body
    /once/N/F      the same, but only for the first 3 requests of that path
    /corrupt/F     the last byte of every body is another one
    /badblock/N/F  byte N of the file is another one
    /stall/N/F     nothing comes any more after N bytes of the first body, then it is plain
    /slow/N/F      N bytes a second
    /moved/F       a redirect to /plain/F
    /away/PORT/F   a redirect to http://127.0.0.1:PORT/plain/F
    /loop/F        a redirect to itself
    /secret/F      401 without "Authorization: Bearer token"
    /status/N/F    that status; /busy/N/F: 503 for the first N requests of that path
    /changed/F     another ETag with each request
    /lying/F       another Content-Range than was asked for
    /header/F      an endless header

and the documented answers of two hubs (there is no internet in tests), for what lies in DIR/hub/ORG/NAME
and DIR/registry/NAMESPACE/NAME:

    /api/models/ORG/NAME/revision/main, /api/models/ORG/NAME/tree/SHA (two files a page),
    /ORG/NAME/resolve/SHA/FILE (a redirect to /cdn, which must not get a token)
    /v2/NAMESPACE/NAME/manifests/TAG, /v2/NAMESPACE/NAME/blobs/DIGEST

    /routing/v1/providers/CID, as DIR/routing/CID says (a delegated router)
    /ipfs/CID?format=raw, for the blocks in DIR/ipfs; /badipfs/N/ipfs/CID: each Nth answer is another block; one that is named
    in DIR/hold is not sent before it is not there any more

A repository whose name begins with "private" wants "Authorization: Bearer token".
"""
import hashlib
import http.server
import json
import os
import sys
import threading
import time
import urllib.parse

root = sys.argv[1]
lock = threading.Lock()
counts = {}


def count(path):
    with lock:
        counts[path] = counts.get(path, 0) + 1
        return counts[path]


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def files_below(folder):
    for where, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            yield os.path.relpath(os.path.join(where, name), folder)


def content(*parts):
    with open(os.path.join(root, *parts), "rb") as f:
        return f.read()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Standard error is for tracebacks."""

    def note(self):
        fields = [self.command, self.path, self.headers.get("Range", "-"),
                  self.headers.get("Authorization", "-")]
        with lock, open(os.path.join(root, ".log"), "a") as f:
            f.write(" ".join(fields) + "\n")

    def refuse(self, status, **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"sorry\n")

    def send(self, data, stop=None, rate=None):
        self.sent = getattr(self, "sent", 0)
        if stop is not None and len(data) > stop:
            self.wfile.write(data[:stop])
            return False
        step = 16384 if rate is None else max(rate // 20, 1)
        for i in range(0, len(data), step):
            self.wfile.write(data[i:i + step])
            if rate is not None:
                self.wfile.flush()
                time.sleep(0.05)
        return True

    def do_GET(self):
        self.note()
        try:
            self.answer()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def send_json(self, value, **fields):
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, field in fields.items():
            self.send_header(name, field)
        self.end_headers()
        self.wfile.write(data)

    def hub(self, parts, query):
        """/api/models/ORG/NAME/KIND/REVISION"""
        org, name, kind, revision = parts[2:6]
        if revision not in ("main", COMMIT) or not os.path.isdir(os.path.join(root, "hub", org, name)):
            return self.refuse(404)
        if kind == "revision":
            return self.send_json({"_id": "x", "id": org + "/" + name, "sha": COMMIT, "tags": ["a", {}]})
        entries = [{"type": "directory", "oid": "0", "size": 0, "path": "sub"}]
        for path in files_below(os.path.join(root, "hub", org, name)):
            data = content("hub", org, name, path)
            entry = {"type": "file", "oid": "1" * 40, "size": len(data), "path": path}
            if path.endswith((".gguf", ".safetensors")):
                entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data),
                                "pointerSize": 135}
                entry["xetHash"] = "2" * 64
            entries.append(entry)
        at = int(query.get("cursor", ["0"])[0])
        more = {}
        if at + 2 < len(entries):
            more["Link"] = '<http://%s/%s?recursive=true&cursor=%d>; rel="next"' % (
                self.headers["Host"], "/".join(parts), at + 2)
        return self.send_json(entries[at:at + 2], **more)

    def registry(self, parts):
        """/v2/NAMESPACE/NAME/manifests/TAG or blobs/DIGEST"""
        space, name, kind, what = parts[1:5]
        folder = os.path.join("registry", space, name)
        layers, blobs = [], {}
        for file in files_below(os.path.join(root, folder)):
            data = content(folder, file)
            digest = "sha256:" + hashlib.sha256(data).hexdigest()
            blobs[digest] = file
            layers.append({"mediaType": "application/vnd.ollama.image." + file, "digest": digest,
                           "size": len(data)})
        if kind == "blobs" and what in blobs:
            return self.answer_file("plain", 0, 1, os.path.join(folder, blobs[what]),
                                    content(folder, blobs[what]))
        if kind != "manifests" or what != "latest" or not layers:
            return self.refuse(404)
        return self.send_json({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                       "digest": "sha256:" + "0" * 64, "size": 2},
            "layers": layers})

    def answer(self):
        url = urllib.parse.urlsplit(self.path)
        parts = urllib.parse.unquote(url.path).strip("/").split("/")
        parts = parts or [""]
        private = any(p.startswith("private") for p in parts[:4]) and parts[0] != "cdn"
        if private and self.headers.get("Authorization") != "Bearer token":
            return self.refuse(401)
        if parts[:2] == ["api", "models"] and len(parts) == 6:
            return self.hub(parts, urllib.parse.parse_qs(url.query))
        if parts[0] == "v2" and len(parts) == 5:
            return self.registry(parts)
        if len(parts) > 4 and parts[2:4] == ["resolve", COMMIT]:
            # Another host and port than the one that was asked, as the real one does.
            where = "http://localhost:%d/cdn/hub/%s" % (
                self.server.server_address[1], urllib.parse.quote("/".join(parts[:2] + parts[4:])))
            return self.refuse(302, Location=where)
        if parts[:3] == ["routing", "v1", "providers"]:
            try:
                return self.send_json(json.loads(content("routing", parts[3])))
            except OSError:
                return self.refuse(404)
        if parts[-2:-1] == ["ipfs"] and url.query == "format=raw":
            return self.block(parts)
        if parts[0] == "cdn" and self.headers.get("Authorization"):
            return self.refuse(400)
        return self.answer_path(parts)

    def block(self, parts):
        try:
            data = content("ipfs", parts[-1])
        except OSError:
            return self.refuse(404)
        while os.path.exists(os.path.join(root, "hold", parts[-1])):
            time.sleep(0.02)
        if parts[0] == "badipfs" and count("badipfs") % int(parts[1]) == 0 and data:
            data = data[:-1] + bytes([data[-1] ^ 1])
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.ipld.raw")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def answer_path(self, parts):
        kind = parts.pop(0)
        number = int(parts.pop(0)) if kind in (
            "cut", "once", "badblock", "stall", "slow", "away", "status", "busy") else 0
        name = "/".join(parts)
        n = count(self.path)
        if kind == "status":
            return self.refuse(number)
        if kind == "busy" and n <= number:
            return self.refuse(503, Retry_After="0")
        if kind == "secret" and self.headers.get("Authorization") != "Bearer token":
            return self.refuse(401)
        if kind in ("moved", "away", "loop"):
            port = number or self.server.server_address[1]
            where = self.path if kind == "loop" else "http://127.0.0.1:%d/plain/%s" % (port, name)
            return self.refuse(302, Location=where)
        if kind == "header":
            self.send_response(200)
            for i in range(4000):
                self.send_header("X-Field-%d" % i, "x" * 100)
            self.end_headers()
            return None
        try:
            with open(os.path.join(root, name), "rb") as f:
                data = f.read()
        except OSError:
            return self.refuse(404)
        return self.answer_file(kind, number, n, name, data)

    def answer_file(self, kind, number, n, name, data):
        first, last, ranged = 0, len(data) - 1, False
        want = self.headers.get("Range")
        state = os.stat(os.path.join(root, name)).st_mtime_ns
        tag = '"v%d"' % (n if kind == "changed" else state)
        fresh = self.headers.get("If-Range") in (None, tag)
        if want and kind not in ("noranges", "nolength") and fresh:
            a, b = want[len("bytes="):].split("-")
            first, last = int(a), min(int(b) if b else last, last)
            ranged = True
            if first > last:
                return self.refuse(416, Content_Range="bytes */%d" % len(data))
        body = data[first:last + 1]
        if kind == "corrupt" and body:
            body = body[:-1] + bytes([body[-1] ^ 1])
        if kind == "badblock" and first <= number <= last:
            body = bytearray(body)
            body[number - first] ^= 1
            body = bytes(body)
        self.send_response(206 if ranged else 200)
        if kind != "nolength":
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
        if ranged:
            shift = 1 if kind == "lying" and first > 0 else 0
            self.send_header("Content-Range",
                             "bytes %d-%d/%d" % (first + shift, last + shift, len(data)))
        if kind != "noranges":
            self.send_header("ETag", tag)
        self.end_headers()
        cutting = kind == "cut" or (kind == "once" and n <= 4)
        stalling = kind == "stall" and n == 2 and len(body) > number
        whole = self.send(body, number if cutting or stalling else None,
                          number if kind == "slow" else None)
        if stalling:
            self.wfile.flush()
            time.sleep(60)
        if not whole or kind == "nolength":
            self.close_connection = True
        return None


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
