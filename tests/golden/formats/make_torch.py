#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Writes torch.txt: what torch itself reads from the PyTorch files of the shared data.

Needs torch. Usage: make_torch.py SHARED >torch.txt
A line: file, tensor, type, shape, first 16 digits of the SHA-256 of its elements in order (little-endian)."""

import glob
import hashlib
import sys

import torch

TYPES = {"float32": "F32", "float64": "F64", "float16": "F16", "bfloat16": "BF16", "int8": "I8", "int16": "I16",
         "int32": "I32", "int64": "I64", "uint8": "U8", "bool": "BOOL"}
MAIN = ["state_dict", "model_state_dict", "model", "module", "params_ema", "params"]


def flatten(value, path):
    if isinstance(value, torch.Tensor):
        yield ".".join(path) or "tensor", value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from flatten(item, path + [str(key)])
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from flatten(item, path + [str(i)])


def tensors(root):
    main = next((k for k in MAIN if isinstance(root, dict) and isinstance(root.get(k), dict) and root[k]), None)
    if main is None:
        yield from flatten(root, [])
        return
    for key, item in root.items():
        yield from flatten(item, [] if key == main else [key])


def digest(tensor):
    plain = tensor.detach().contiguous().reshape(-1)
    data = plain.view(torch.uint8).numpy().tobytes() if plain.numel() else b""
    return hashlib.sha256(data).hexdigest()[:16]


shared = sys.argv[1].rstrip("/") + "/"
files = []
for pattern in ["torch-formats/**/*.pt", "torch-formats/**/*.pth", "weights/taesd/*.pth", "adversarial/pickle/*pytorch_model.bin"]:
    files += glob.glob(shared + pattern, recursive=True)
for path in sorted(files):
    if path.endswith("broken.pt"):
        continue
    root = torch.load(path, weights_only=True, map_location="cpu")
    for name, tensor in sorted(tensors(root)):
        kind = TYPES[str(tensor.dtype).removeprefix("torch.")]
        shape = "[" + ", ".join(map(str, tensor.shape)) + "]"
        print(path.removeprefix(shared), name, kind, shape, digest(tensor), sep="\t")
