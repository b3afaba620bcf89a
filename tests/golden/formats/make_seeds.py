#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Writes the first corpora of the fuzzers of foreign formats: one small file for each thing that a checkpoint, a
pickle, an archive or an array may hold. Needs torch and numpy. Usage: make_seeds.py tests/fuzz/corpus"""

import collections
import io
import pathlib
import pickle
import struct
import sys
import zipfile

import numpy
import torch

root = pathlib.Path(sys.argv[1])
base = torch.arange(12.0).reshape(3, 4)
checkpoint = {
    "state_dict": collections.OrderedDict([("a.weight", base), ("b.weight", base.t()), ("c.bias", base[1, 1:3])]),
    "epoch": 3, "loss": 0.5, "name": "tiny", "done": True, "sizes": [base.shape, (1, 2), None],
}
values = {
    "typed": {"u16": torch.tensor([1, 2], dtype=torch.uint16), "f8": torch.tensor([1.0]).to(torch.float8_e4m3fn)},
    "parameter": torch.nn.Parameter(base), "scalar": torch.tensor(1, dtype=torch.int64), "none": torch.zeros(0, 3),
    "deep": torch.zeros(1, 1, 2, 1, 2, 1), "complex": torch.tensor([1 + 2j]), "numpy": numpy.float32(1), 3: {"set": {1, 2}},
    "device": torch.device("cpu"), "type": torch.float16,
}


def saved(value, **options):
    out = io.BytesIO()
    torch.save(value, out, **options)
    return out.getvalue()


def put(fuzzer, name, data):
    (root / fuzzer).mkdir(parents=True, exist_ok=True)
    (root / fuzzer / name).write_bytes(data)


def archive(**options):
    out = io.BytesIO()
    return out, zipfile.ZipFile(out, "w", **options)


for name, value in [("checkpoint", checkpoint), ("values", values)]:
    new, old = saved(value), saved(value, _use_new_zipfile_serialization=False)
    put("fuzz_pytorch", name + ".zip", new)
    put("fuzz_pytorch", name + ".legacy", old)
    put("fuzz_pickle", name, zipfile.ZipFile(io.BytesIO(new)).read("archive/data.pkl"))
plain = {"a": [1, 300, -5, 70000, 2**40, 2**70, 1.5, None, True, False], "b": (1, 2, 3), "c": {"d": b"bytes"}, "e": {"x"}}
for protocol in range(6):
    put("fuzz_pickle", f"protocol{protocol}", pickle.dumps(plain, protocol))

out, z = archive()
z.writestr("a/data.pkl", pickle.dumps({}, 2))
z.writestr("a/b.txt", b"text")
z.close()
put("fuzz_zip", "stored", out.getvalue())
out, z = archive(compression=zipfile.ZIP_DEFLATED)
z.writestr("packed", b"text" * 10)
z.close()
put("fuzz_zip", "deflated", out.getvalue())
out, z = archive()
z.comment = b"a comment"
with z.open("wide", "w", force_zip64=True) as f:
    f.write(b"wide")
z.close()
put("fuzz_zip", "zip64-comment", out.getvalue())


class Stream(io.RawIOBase):
    """Cannot seek back: sizes and checksums follow the data."""

    def __init__(self):
        self.data = b""

    def writable(self):
        return True

    def write(self, data):
        self.data += bytes(data)
        return len(data)


stream = Stream()
with zipfile.ZipFile(stream, "w") as z:
    z.writestr("streamed", b"data")
put("fuzz_zip", "descriptor", stream.data)
# The same archive with a zip64 end record and its locator in front of the end record.
data = stream.data
end = data.rindex(b"PK\5\6")
n, size, start = struct.unpack("<HII", data[end + 10:end + 20])
wide = struct.pack("<IQHHIIQQQQ", 0x06064b50, 44, 45, 45, 0, 0, n, n, size, start)
locator = struct.pack("<IIQI", 0x07064b50, 0, end, 1)
narrow = data[end:end + 8] + struct.pack("<HHIIH", 0xffff, 0xffff, 0xffffffff, 0xffffffff, 0)
put("fuzz_zip", "zip64-end", data[:end] + wide + locator + narrow)

for name, array in [("f32", numpy.arange(6, dtype="<f4").reshape(2, 3)), ("fortran", numpy.asfortranarray(numpy.eye(2, 3))),
                    ("scalar", numpy.array(True)), ("deep", numpy.zeros((1, 2, 1, 2, 1), "<i2")), ("big", numpy.zeros(2, ">f8")),
                    ("objects", numpy.array([None])), ("fields", numpy.zeros(1, [("a", "<i4"), ("b", "<f4")]))]:
    out = io.BytesIO()
    numpy.save(out, array)
    put("fuzz_numpy", name + ".npy", out.getvalue())
out = io.BytesIO()
numpy.savez(out, first=numpy.arange(3, dtype="<i4"), second=numpy.asfortranarray(numpy.eye(2, 3)))
put("fuzz_numpy", "two.npz", out.getvalue())

# llama2.c: dim, hidden, layers, heads, kv_heads, vocab, context
numbers = (8, 12, 2, 2, 1, 6, 4)
dim, hidden, layers, heads, kv_heads, vocab, context = numbers
kv = dim // heads * kv_heads
matrices = [vocab * dim] + [layers * n for n in (dim * dim, kv * dim, kv * dim, dim * dim, hidden * dim, hidden * dim, hidden * dim)]
norms = (2 * layers + 1) * dim
floats = norms + sum(matrices)
angles = context * dim // heads
put("fuzz_llama2c", "version0", struct.pack("<7i", *numbers) + bytes(4 * (floats + angles)))
put("fuzz_llama2c", "version0-head", struct.pack("<7i", *numbers[:5], -vocab, context) + bytes(4 * (floats + angles + vocab * dim)))
put("fuzz_llama2c", "version1", struct.pack("<Ii7iB", 0x616b3432, 1, *numbers, 1).ljust(256, b"\0") + bytes(4 * floats))
put("fuzz_llama2c", "version2", struct.pack("<Ii7iBi", 0x616b3432, 2, *numbers, 0, 4).ljust(256, b"\0")
    + bytes(4 * norms + 2 * (sum(matrices) + vocab * dim)))
tokens = [b"<unk>", b"\n<s>\n", b"\n</s>\n", b"<0x0A>", b" a", b"b"]
put("fuzz_llama2c", "tokenizer", struct.pack("<I", 6) + b"".join(struct.pack("<fI", -i, len(t)) + t for i, t in enumerate(tokens)))
