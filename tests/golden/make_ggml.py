#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Seeds for the fuzzer of GGML files: one tensor of every type that ggjt 1, ggjt 2 and a Whisper of
quantisation version 1 had, laid out from the descriptions of the blocks.

    python3 tests/golden/make_ggml.py     # writes tests/fuzz/corpus/fuzz_ggml/old-*.bin
"""
import pathlib
import struct

OUT = pathlib.Path(__file__).parent.parent / "fuzz/corpus/fuzz_ggml"
CODES = [(i * 7 + 3) % 32 for i in range(32)]


def pairs(codes):
    return bytes(codes[i] % 16 | codes[i + 1] % 16 << 4 for i in range(0, len(codes), 2))


def halves(codes):
    return bytes(codes[i] % 16 | codes[i + 16] % 16 << 4 for i in range(16))


FIFTH = struct.pack("<I", sum((c >> 4) << i for i, c in enumerate(CODES)))
BYTES = struct.pack("<32b", *(c * 8 - 128 for c in CODES))
V1 = {
    2: struct.pack("<f", 0.1) + pairs(CODES),
    3: struct.pack("<ff", 0.1, -0.7) + pairs(CODES),
    4: b"".join(struct.pack("<e", 0.1) + pairs(CODES[i : i + 16]) for i in (0, 16)),
    5: b"".join(struct.pack("<ee", 0.1, -0.7) + pairs(CODES[i : i + 16]) for i in (0, 16)),
    6: struct.pack("<e", 0.1) + FIFTH + pairs(CODES),
    7: struct.pack("<ee", 0.1, -0.7) + FIFTH + pairs(CODES),
    8: struct.pack("<f", 0.1) + BYTES,
}
V2 = {
    2: struct.pack("<f", 0.1) + halves(CODES),
    3: struct.pack("<ff", 0.1, -0.7) + halves(CODES),
    6: struct.pack("<e", 0.1) + FIFTH + halves(CODES),
    7: struct.pack("<ee", 0.1, -0.7) + FIFTH + halves(CODES),
    8: struct.pack("<f", 0.1) + BYTES,
}


def tensors(start, blocks, aligned):
    out = start
    for kind, block in blocks.items():
        name = b"t%d" % kind
        out += struct.pack("<5i", 2, len(name), kind, 32, 2) + name
        out += bytes(-len(out) % 32 if aligned else 0)
        out += block * 2
    return out


def llama(mark, version, blocks):
    start = mark + struct.pack("<i7i", version, 2, 32, 256, 2, 1, 16, 2)
    for token in (b"a", b" b"):
        start += struct.pack("<i", len(token)) + token + struct.pack("<f", -1.0)
    return tensors(start, blocks, mark == b"tjgg")


def whisper(blocks):
    numbers = [1, 8, 32, 2, 1, 8, 32, 2, 1, 3, 1002]
    start = b"lmgg" + struct.pack("<11i", *numbers) + struct.pack("<2i6f", 3, 2, *range(6))
    return tensors(start + struct.pack("<ii", 1, 1) + b"a", blocks, False)


(OUT / "old-ggmf.bin").write_bytes(llama(b"fmgg", 1, {2: V1[2], 3: V1[3]}))
(OUT / "old-ggjt1.bin").write_bytes(llama(b"tjgg", 1, V1))
(OUT / "old-ggjt2.bin").write_bytes(llama(b"tjgg", 2, V2))
(OUT / "old-whisper.bin").write_bytes(whisper(V2))
