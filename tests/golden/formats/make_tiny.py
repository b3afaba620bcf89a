#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Writes one tiny random LLaMA in the forms that Hugging Face publishes weights in.

Needs torch, transformers and safetensors. Usage: make_tiny.py OUT
OUT/safetensors, OUT/pytorch and OUT/pytorch-sharded hold the same weights in f16 and the same config.json."""

import json
import pathlib
import sys

import safetensors.torch
import torch
import transformers

torch.manual_seed(7)
out = pathlib.Path(sys.argv[1])
config = transformers.LlamaConfig(
    vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=64, tie_word_embeddings=False, bos_token_id=1, eos_token_id=2, initializer_range=0.3,
    torch_dtype="float16", architectures=["LlamaForCausalLM"])
model = transformers.LlamaForCausalLM(config).half()
weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
for form in ["safetensors", "pytorch", "pytorch-sharded"]:
    (out / form).mkdir(parents=True, exist_ok=True)
    (out / form / "config.json").write_text(json.dumps(config.to_diff_dict(), indent=1, sort_keys=True) + "\n")
safetensors.torch.save_file(weights, out / "safetensors" / "model.safetensors", {"format": "pt"})
torch.save(weights, out / "pytorch" / "pytorch_model.bin")
names = sorted(weights)
shards = {"pytorch_model-00001-of-00002.bin": names[:6], "pytorch_model-00002-of-00002.bin": names[6:]}
for file, part in shards.items():
    # One of the older containers among them: shards of both have been published.
    new = file.startswith("pytorch_model-00001")
    torch.save({n: weights[n] for n in part}, out / "pytorch-sharded" / file, _use_new_zipfile_serialization=new)
index = {"metadata": {"total_size": sum(t.numel() * 2 for t in weights.values())},
         "weight_map": {n: file for file, part in shards.items() for n in part}}
(out / "pytorch-sharded" / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=1) + "\n")
