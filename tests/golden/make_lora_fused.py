# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Makes tests/golden/lora-fused: tiny random models whose projections are fused or transposed, a LoRA adapter
for each of all its matrices, and the logits of PEFT.

    pip install torch transformers peft safetensors
    python make_lora_fused.py OUT_DIR

Written for each: config.json, model.safetensors (bf16), adapter/ (as PEFT saves it), golden.safetensors with
seq0.input_ids and seq0.logits (with the adapter), seq1.logits (without it).
"""
import json
import os
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import FalconConfig, FalconForCausalLM, GPT2Config, GPT2LMHeadModel, Phi3Config, Phi3ForCausalLM

ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
falcon = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 4, "ffn_hidden_size": 32,
          "alibi": False, "bias": False, "parallel_attn": True, "tie_word_embeddings": True, "max_position_embeddings": 64, **ends}
MODELS = {
    "phi3": (Phi3ForCausalLM, Phi3Config(
        vocab_size=40, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=64, original_max_position_embeddings=64, tie_word_embeddings=False, **ends),
        ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]),
    "falcon-40b": (FalconForCausalLM, FalconConfig(new_decoder_architecture=True, num_kv_heads=2, **falcon),
                   ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"]),
    "falcon-7b": (FalconForCausalLM, FalconConfig(new_decoder_architecture=False, multi_query=True, **falcon),
                  ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"]),
    "gpt2": (GPT2LMHeadModel, GPT2Config(vocab_size=40, n_embd=16, n_head=4, n_layer=1, n_inner=32, n_positions=64, **ends),
             ["c_attn", "attn.c_proj", "c_fc", "mlp.c_proj"]),
}


def make(out, kind, config, targets):
    model = kind(config).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.2)
        p.data = p.data.bfloat16().float()
    ids = torch.randint(0, 40, (1, 13))
    os.makedirs(out, exist_ok=True)
    tied = "lm_head.weight" if config.tie_word_embeddings else None
    save_file({k: v.bfloat16().contiguous().clone() for k, v in model.state_dict().items() if k != tied},
              os.path.join(out, "model.safetensors"))
    with open(os.path.join(out, "config.json"), "w") as f:
        f.write(json.dumps(config.to_diff_dict(), indent=1, sort_keys=True) + "\n")
    with torch.no_grad():
        plain = model(ids).logits[0].clone()
    adapted = get_peft_model(model, LoraConfig(r=2, lora_alpha=3, target_modules=targets, task_type="CAUSAL_LM",
                                               fan_in_fan_out=kind is GPT2LMHeadModel)).eval()
    for name, p in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(p, std=0.3)
    with torch.no_grad():
        logits = adapted(ids).logits[0].clone()
    adapted.save_pretrained(os.path.join(out, "adapter"))
    readme = os.path.join(out, "adapter", "README.md")
    if os.path.exists(readme):
        os.remove(readme)
    save_file({"seq0.input_ids": ids[0], "seq0.logits": logits, "seq1.logits": plain}, os.path.join(out, "golden.safetensors"))


torch.manual_seed(5)
for name, (kind, config, targets) in MODELS.items():
    make(os.path.join(sys.argv[1], name), kind, config, targets)
