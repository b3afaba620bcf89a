# SPDX-License-Identifier: Apache-2.0 OR MIT
"""unixfs.py FILE OUT LEAF WIDTH [NAME] - the blocks of a file as IPFS has them, each in OUT/CID.

Raw leaves of LEAF bytes, dag-pb parents of WIDTH links. With NAME a directory that has the file under
that name is the root. Prints the CID of the root. Source: the specifications of UnixFS and dag-pb.
"""
import base64
import hashlib
import os
import sys


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, data):
    if isinstance(data, int):
        return varint(number << 3) + varint(data)
    return varint(number << 3 | 2) + varint(len(data)) + data


def put(codec, block):
    cid = b"\x01" + varint(codec) + b"\x12\x20" + hashlib.sha256(block).digest()
    text = "b" + base64.b32encode(cid).decode().lower().rstrip("=")
    with open(os.path.join(out, text), "wb") as f:
        f.write(block)
    return cid, text


def link(cid, name, total):
    return field(2, field(1, cid) + field(2, name.encode()) + field(3, total))


path, out, leaf, width = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
os.makedirs(out, exist_ok=True)
with open(path, "rb") as f:
    data = f.read()
level = []  # cid, text, bytes of the file, bytes of all blocks
for i in range(0, max(len(data), 1), leaf):
    part = data[i:i + leaf]
    level.append(put(0x55, part) + (len(part), len(part)))
while len(level) > 1:
    above = []
    for i in range(0, len(level), width):
        group = level[i:i + width]
        size = sum(g[2] for g in group)
        meta = field(1, 2) + field(3, size) + b"".join(field(4, g[2]) for g in group)
        block = b"".join(link(g[0], "", g[3]) for g in group) + field(1, meta)
        above.append(put(0x70, block) + (size, len(block) + sum(g[3] for g in group)))
    level = above
if len(sys.argv) > 5:
    block = link(level[0][0], sys.argv[5], level[0][3]) + field(1, field(1, 1))
    level = [put(0x70, block)]
print(level[0][1])
