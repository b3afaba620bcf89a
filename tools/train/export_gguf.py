# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Write a trained model as a GGUF v3 file: matrices Q8_0, norms F32. Needs numpy and torch only.

    python export_gguf.py --model model.pt --vocab vocab.json --out stories.gguf
"""
import argparse
import json
import struct

import numpy as np
import torch

U32, F32, BOOL, STRING, ARRAY = 4, 6, 7, 8, 9
I32 = 5
GGML_F32, GGML_Q8_0 = 0, 8
ALIGN = 32


def string(s):
    b = s.encode("utf-8")
    return struct.pack("<Q", len(b)) + b


def value(kind, v):
    if kind == STRING:
        return string(v)
    return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}[kind], v)


def q8_0(w):
    """Blocks of 32: a half-precision scale, then 32 signed bytes."""
    b = np.ascontiguousarray(w, dtype=np.float32).reshape(-1, 32)
    d = np.abs(b).max(1) / 127.0
    inv = np.divide(1.0, d, out=np.zeros_like(d), where=d > 0)
    q = np.clip(np.round(b * inv[:, None]), -127, 127).astype(np.int8)
    out = np.empty((len(b), 34), np.uint8)
    out[:, :2] = d.astype("<f2").view(np.uint8).reshape(-1, 2)
    out[:, 2:] = q.view(np.uint8)
    return out.tobytes()


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--model", required=True)
    ap.add_argument("--vocab", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--name", default="KwaaiNet Stories 2M")
    ap.add_argument("--license", default="CDLA-Sharing-1.0")
    args = ap.parse_args()
    ck = torch.load(args.model, map_location="cpu", weights_only=True)
    cfg, weights = ck["config"], ck["model"]
    with open(args.vocab, encoding="utf-8") as f:
        vocab = json.load(f)

    kv = [("general.architecture", STRING, "llama"), ("general.name", STRING, args.name),
          ("general.license", STRING, args.license), ("general.alignment", U32, ALIGN),
          ("general.file_type", U32, 7), ("general.quantization_version", U32, 2),
          ("llama.vocab_size", U32, cfg["vocab"]), ("llama.context_length", U32, cfg["context"]),
          ("llama.embedding_length", U32, cfg["dim"]), ("llama.block_count", U32, cfg["layers"]),
          ("llama.feed_forward_length", U32, cfg["ffn"]),
          ("llama.attention.head_count", U32, cfg["heads"]),
          ("llama.attention.head_count_kv", U32, cfg["kv_heads"]),
          ("llama.attention.layer_norm_rms_epsilon", F32, cfg["eps"]),
          ("llama.rope.dimension_count", U32, cfg["dim"] // cfg["heads"]),
          ("llama.rope.freq_base", F32, cfg["rope_base"]),
          ("tokenizer.ggml.model", STRING, "llama"),
          ("tokenizer.ggml.tokens", ARRAY, (STRING, vocab["tokens"])),
          ("tokenizer.ggml.scores", ARRAY, (F32, vocab["scores"])),
          ("tokenizer.ggml.token_type", ARRAY, (I32, vocab["types"])),
          ("tokenizer.ggml.bos_token_id", U32, 1), ("tokenizer.ggml.eos_token_id", U32, 2),
          ("tokenizer.ggml.unknown_token_id", U32, 0),
          ("tokenizer.ggml.add_bos_token", BOOL, True), ("tokenizer.ggml.add_eos_token", BOOL, False),
          ("tokenizer.ggml.add_space_prefix", BOOL, True)]
    head = b""
    for key, kind, v in kv:
        head += string(key) + struct.pack("<I", kind)
        if kind == ARRAY:
            head += struct.pack("<IQ", v[0], len(v[1])) + b"".join(value(v[0], x) for x in v[1])
        else:
            head += value(kind, v)

    infos, data = b"", b""
    for name, w in weights.items():  # "blk.0.attn_q.weight": module names are the tensor names
        w = w.float().numpy()
        data += b"\0" * (-len(data) % ALIGN)
        infos += string(name) + struct.pack("<I", w.ndim) + struct.pack(f"<{w.ndim}Q", *w.shape[::-1])
        infos += struct.pack("<IQ", GGML_Q8_0 if w.ndim == 2 else GGML_F32, len(data))
        data += q8_0(w) if w.ndim == 2 else w.astype("<f4").tobytes()
    data += b"\0" * (-len(data) % ALIGN)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(weights), len(kv)) + head + infos
    head += b"\0" * (-len(head) % ALIGN)
    with open(args.out, "wb") as f:
        f.write(head + data)
    print(f"{args.out}: {len(weights)} tensors, {len(head) + len(data)} bytes")


if __name__ == "__main__":
    main()
