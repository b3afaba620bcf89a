#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Falcon's layouts through GGUF and back to safetensors: transformers must compute the same logits,
bit for bit, from what `kwaai convert` wrote.

    python3 tests/golden/check_falcon.py build/dev/bin/kwaai

Needs torch and transformers (5.24 was used). Leaves nothing behind.
"""
import pathlib
import subprocess
import sys
import tempfile

import torch
from transformers import AutoModelForCausalLM, FalconConfig, FalconForCausalLM

SIZES = dict(vocab_size=40, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, ffn_hidden_size=64, max_position_embeddings=64)
OLD, NEW = dict(new_decoder_architecture=False), dict(new_decoder_architecture=True)
LAYOUTS = {
    "7b": OLD | dict(multi_query=True),
    "7b, a head of its own": OLD | dict(multi_query=True, tie_word_embeddings=False),
    "7b, one after the other": OLD | dict(multi_query=True, parallel_attn=False),
    "40b": NEW | dict(num_kv_heads=2),
    "40b, a key for each query": NEW | dict(num_kv_heads=4),
    "40b, one key": NEW | dict(num_kv_heads=1),
    "11b": NEW | dict(num_kv_heads=2, num_ln_in_parallel_attn=1),
    "11b, a key for each query": NEW | dict(num_kv_heads=4, num_ln_in_parallel_attn=1),
    "11b, one key": NEW | dict(num_kv_heads=1, num_ln_in_parallel_attn=1),
    "rw": OLD | dict(multi_query=False, parallel_attn=False, alibi=True, bias=True),
    "rw, parallel": OLD | dict(multi_query=False, bias=True),
}
TOKENS = torch.tensor([[1, 2, 3, 9, 17, 30, 11, 4]])


@torch.no_grad()
def check(kwaai, layout, folder):
    torch.manual_seed(3)
    model = FalconForCausalLM(FalconConfig(**SIZES, **layout)).float().eval()
    for p in model.parameters():
        p.copy_(torch.randn_like(p) * 0.1 + (0 if p.dim() > 1 else 1))
    model.save_pretrained(folder / "from")
    for args in (("from", "there.gguf"), ("there.gguf", "back", "--to", "safetensors")):
        subprocess.run([kwaai, "convert", *args], cwd=folder, check=True, stderr=subprocess.DEVNULL)
    back = AutoModelForCausalLM.from_pretrained(folder / "back", dtype=torch.float32).eval()
    return torch.equal(model(TOKENS).logits, back(TOKENS).logits)


failed = False
for name, layout in LAYOUTS.items():
    with tempfile.TemporaryDirectory() as folder:
        same = check(str(pathlib.Path(sys.argv[1]).resolve()), layout, pathlib.Path(folder))
    print(f"{'same   ' if same else 'DIFFERS'} {name}")
    failed = failed or not same
sys.exit(failed)
