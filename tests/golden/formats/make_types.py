#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Writes every element type of safetensors as torch reads it, and a tiny LLaMA in FP8 with scales.

Needs torch and transformers. Usage: make_types.py OUT
OUT/types/types.safetensors: of each type that torch has a tensor NAME, all 256 bytes of those of one byte, and
"NAME.want", the same as F32; of the others a tensor alone.
OUT/tiny/fp8: matrices as F8_E4M3 with scales for blocks, for rows and for all, as F8_E5M2 without, as I8 and as F64.
OUT/tiny/fp8-unpacked: the same as torch computes them, in bf16 (and f32)."""

import json
import pathlib
import struct
import sys

import torch
import transformers

out = pathlib.Path(sys.argv[1])
names = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float64: "F64", torch.int8: "I8", torch.float8_e4m3fn: "F8_E4M3",
         torch.float8_e5m2: "F8_E5M2"}


def write(path, tensors):
    """tensors: name -> (type, shape, bytes). The library's own writer does not know all types."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header, at = {}, 0
    for name, (kind, shape, data) in tensors.items():
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))


def raw(tensor):
    return bytes(tensor.reshape(-1).view(torch.uint8).tolist()) if tensor.numel() else b""


def save(path, weights):
    write(path, {name: (names[t.dtype], t.shape, raw(t)) for name, t in weights.items()})


# ---- every type ----
tensors = {}


def add(kind, dtype, data):
    value = torch.frombuffer(bytearray(data), dtype=torch.uint8).view(dtype)
    tensors[kind] = (kind, value.shape, data)
    tensors[kind + ".want"] = ("F32", value.shape, raw(value.to(torch.float32)))


every = bytes(range(256))
for kind, dtype in {"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
                    "F8_E5M2FNUZ": torch.float8_e5m2fnuz, "F8_E8M0": torch.float8_e8m0fnu, "I8": torch.int8,
                    "U8": torch.uint8}.items():
    add(kind, dtype, every)
add("BOOL", torch.bool, b"\0\1\1\0")
edges = [0, 1, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**24 + 1, 2**31 - 1, 2**31, 2**32 - 1, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]
for kind, dtype, size in [("I16", torch.int16, 2), ("I32", torch.int32, 4), ("I64", torch.int64, 8), ("U16", torch.uint16, 2),
                          ("U32", torch.uint32, 4), ("U64", torch.uint64, 8)]:
    add(kind, dtype, b"".join((v % 2 ** (8 * size)).to_bytes(size, "little") for v in edges))
for kind, dtype, form, values in [("F64", torch.float64, "d", [0, -0.5, 1 / 3, 1e300, 1e-300, float("inf"), float("nan")]),
                                  ("F16", torch.float16, "e", [0, -0.5, 1 / 3, 65504, 6e-8, float("inf")]),
                                  ("F32", torch.float32, "f", [0, -0.5, 1 / 3, 1e38, 1e-45, float("-inf")])]:
    add(kind, dtype, struct.pack(f"<{len(values)}{form}", *values))
add("BF16", torch.bfloat16, bytes.fromhex("0000003f80bf017f807f"))
tensors |= {"F4": ("F4", [4, 4], every[:8]), "F6_E2M3": ("F6_E2M3", [4, 4], every[:12]), "F6_E3M2": ("F6_E3M2", [8], every[:6]),
            "C64": ("C64", [2], every[:16]), "empty": ("F8_E4M3", [0, 7], b"")}
write(out / "types" / "types.safetensors", tensors)

# ---- a model ----
torch.manual_seed(11)
block = [12, 8]
config = transformers.LlamaConfig(
    vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=64, tie_word_embeddings=False, bos_token_id=1, eos_token_id=2, initializer_range=0.3,
    torch_dtype="bfloat16", architectures=["LlamaForCausalLM"])
model = transformers.LlamaForCausalLM(config)
packed, unpacked = {}, {}


def spread(scale, shape, sides):
    return scale.repeat_interleave(sides[0], 0)[:shape[0]].repeat_interleave(sides[1], 1)[:, :shape[1]]


def pack(name, weight, scale, sides, suffix, dtype=torch.float8_e4m3fn):
    whole = spread(scale, weight.shape, sides)
    small = (weight / whole).clamp(-100, 100).to(dtype)
    packed[name], packed[name + suffix] = small, scale.squeeze() if sides == list(weight.shape) else scale
    unpacked[name] = (small.float() * whole).bfloat16()


for name, tensor in model.state_dict().items():
    weight, kind = tensor.detach().float(), name.split(".")[-2]
    n, k = weight.shape if weight.dim() == 2 else (0, 0)
    if kind in ("q_proj", "gate_proj", "down_proj"):
        scale = torch.rand(-(-n // block[0]), -(-k // block[1])) * 0.02 + 0.005
        pack(name, weight, scale, block, "_scale_inv")
    elif kind == "k_proj":
        pack(name, weight, torch.rand(n, 1) * 0.02 + 0.005, [1, k], "_scale")
    elif kind == "v_proj":
        pack(name, weight, torch.rand(n, 1) * 0.02 + 0.005, [1, k], "_scale", torch.int8)
    elif kind == "o_proj":
        pack(name, weight, torch.tensor([[0.0123]]), [n, k], "_scale")
    elif kind == "up_proj":
        packed[name] = weight.to(torch.float8_e5m2)
        unpacked[name] = packed[name].bfloat16()
    elif kind == "lm_head":
        packed[name], unpacked[name] = weight.double(), weight
    else:
        packed[name] = unpacked[name] = weight.bfloat16()
packed["model.layers.0.self_attn.o_proj.input_scale"] = torch.tensor([0.5])
for form, weights in [("fp8", packed), ("fp8-unpacked", unpacked)]:
    save(out / "tiny" / form / "model.safetensors", weights)
    text = config.to_diff_dict()
    if form == "fp8":
        text["quantization_config"] = {"quant_method": "fp8", "weight_block_size": block}
    (out / "tiny" / form / "config.json").write_text(json.dumps(text, indent=1, sort_keys=True) + "\n")
