# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Independent reader of the exported file: parses GGUF, widens Q8_0 and runs the model in float32 numpy."""
import struct

import numpy as np

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


class Gguf:
    def __init__(self, path):
        with open(path, "rb") as f:
            self.raw = f.read()
        self.pos = 0
        magic, version, tensors, pairs = self.take("<4sIQQ")
        if magic != b"GGUF" or version != 3:
            raise ValueError("not a GGUF v3 file")
        self.meta = {}
        for _ in range(pairs):
            key = self.string()
            self.meta[key] = self.value(self.take("<I")[0])
        infos = []
        for _ in range(tensors):
            name = self.string()
            dims = self.take(f"<{self.take('<I')[0]}Q")
            infos.append((name, dims, *self.take("<IQ")))
        align = self.meta.get("general.alignment", 32)
        base = -(-self.pos // align) * align
        self.tensors = {n: self.tensor(d, t, base + off) for n, d, t, off in infos}

    def take(self, fmt):
        out = struct.unpack_from(fmt, self.raw, self.pos)
        self.pos += struct.calcsize(fmt)
        return out

    def string(self):
        n = self.take("<Q")[0]
        return self.take(f"<{n}s")[0].decode("utf-8")

    def value(self, kind):
        if kind == 8:
            return self.string()
        if kind == 9:
            inner, n = self.take("<IQ")
            return [self.value(inner) for _ in range(n)]
        return self.take("<" + SCALARS[kind])[0]

    def tensor(self, dims, kind, at):
        count = int(np.prod(dims))
        if kind == 0:
            w = np.frombuffer(self.raw, "<f4", count, at)
        elif kind == 8:
            b = np.frombuffer(self.raw, np.uint8, count // 32 * 34, at).reshape(-1, 34)
            scale = np.ascontiguousarray(b[:, :2]).view("<f2").astype(np.float32)
            w = scale * np.ascontiguousarray(b[:, 2:]).view(np.int8).astype(np.float32)
        else:
            raise ValueError(f"tensor type {kind}")
        return w.reshape(dims[::-1])


class Model:
    """One sequence, one token a step, with a key/value cache."""

    def __init__(self, gguf):
        m, self.w = gguf.meta, gguf.tensors
        self.layers, self.heads = m["llama.block_count"], m["llama.attention.head_count"]
        self.kv_heads, self.dim = m["llama.attention.head_count_kv"], m["llama.embedding_length"]
        self.eps = np.float32(m["llama.attention.layer_norm_rms_epsilon"])
        self.hd = m["llama.rope.dimension_count"]
        self.freq = m["llama.rope.freq_base"] ** (-np.arange(0, self.hd, 2) / self.hd)
        self.reset()

    def reset(self):
        self.k = [[] for _ in range(self.layers)]
        self.v = [[] for _ in range(self.layers)]

    def norm(self, x, name):
        return x / np.sqrt(np.mean(x * x) + self.eps) * self.w[name]

    def rope(self, x, pos):
        c, s = np.cos(pos * self.freq).astype(np.float32), np.sin(pos * self.freq).astype(np.float32)
        out = np.empty_like(x)
        out[:, 0::2] = x[:, 0::2] * c - x[:, 1::2] * s
        out[:, 1::2] = x[:, 0::2] * s + x[:, 1::2] * c
        return out

    def step(self, token):
        x = self.w["token_embd.weight"][token].copy()
        for n in range(self.layers):
            p = f"blk.{n}."
            h = self.norm(x, p + "attn_norm.weight")
            pos = len(self.k[n])
            q = self.rope((self.w[p + "attn_q.weight"] @ h).reshape(self.heads, self.hd), pos)
            self.k[n].append(self.rope((self.w[p + "attn_k.weight"] @ h).reshape(self.kv_heads, self.hd), pos))
            self.v[n].append((self.w[p + "attn_v.weight"] @ h).reshape(self.kv_heads, self.hd))
            keys, values = np.stack(self.k[n]), np.stack(self.v[n])
            out = np.empty_like(q)
            for i in range(self.heads):
                j = i * self.kv_heads // self.heads
                a = keys[:, j] @ q[i] / np.sqrt(np.float32(self.hd))
                a = np.exp(a - a.max())
                out[i] = (a / a.sum()) @ values[:, j]
            x = x + self.w[p + "attn_output.weight"] @ out.reshape(-1)
            h = self.norm(x, p + "ffn_norm.weight")
            g = self.w[p + "ffn_gate.weight"] @ h
            x = x + self.w[p + "ffn_down.weight"] @ (g / (1 + np.exp(-g)) * (self.w[p + "ffn_up.weight"] @ h))
        return self.w["token_embd.weight"] @ self.norm(x, "output_norm.weight")
