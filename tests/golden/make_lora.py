# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Makes tests/golden/lora: a tiny random LLaMA, a LoRA adapter for it, and the logits of PEFT.

    pip install torch transformers peft safetensors gguf
    python make_lora.py OUT_DIR

The adapter's matrices are random (PEFT begins with B = 0) and large enough to change every logit.
Written: config.json, model.safetensors, adapter/ (as PEFT saves it), adapter.gguf (the same under GGUF's
names, rows of queries and keys in its order), golden.safetensors with
seq0.input_ids and seq0.logits (with the adapter), seq1.logits (without it).
"""
import os
import sys

import gguf
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM


NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down"}


def save_gguf(path, adapted, alpha, head_dim):
    """GGUF pairs neighbours in rotation where Hugging Face pairs halves: rows of B move within heads."""
    w = gguf.GGUFWriter(path, "llama")
    w.add_type("adapter")
    w.add_string("adapter.type", "lora")
    w.add_float32("adapter.lora.alpha", alpha)
    for name, p in adapted.named_parameters():
        if "lora_" not in name:
            continue
        _, rest = name.split(".layers.")
        layer, rest = rest.split(".", 1)
        module, side = rest.split(".lora_")
        t = p.detach()
        if side[0] == "B" and NAMES[module] in ("attn_q", "attn_k"):
            t = t.reshape(-1, 2, head_dim // 2, t.shape[1]).transpose(1, 2).reshape(t.shape)
        w.add_tensor(f"blk.{layer}.{NAMES[module]}.weight.lora_{side[0].lower()}", t.contiguous().numpy())
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    out = sys.argv[1]
    torch.manual_seed(7)
    config = LlamaConfig(vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                         num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
                         tie_word_embeddings=False)
    model = LlamaForCausalLM(config).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.15)
    ids = torch.randint(0, 96, (1, 21))
    os.makedirs(out, exist_ok=True)
    save_file({k: v.contiguous().clone() for k, v in model.state_dict().items()},
              os.path.join(out, "model.safetensors"))
    config.save_pretrained(out)
    with torch.no_grad():
        plain = model(ids).logits[0].clone()
    lora = LoraConfig(r=3, lora_alpha=6, target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj",
                                                         "up_proj", "down_proj"], task_type="CAUSAL_LM")
    adapted = get_peft_model(model, lora).eval()
    for name, p in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(p, std=0.2)
    with torch.no_grad():
        logits = adapted(ids).logits[0].clone()
    save_gguf(os.path.join(out, "adapter.gguf"), adapted, 6.0, config.head_dim)
    adapted.save_pretrained(os.path.join(out, "adapter"))
    readme = os.path.join(out, "adapter", "README.md")
    if os.path.exists(readme):
        os.remove(readme)
    save_file({"seq0.input_ids": ids[0], "seq0.logits": logits, "seq1.logits": plain},
              os.path.join(out, "golden.safetensors"))


if __name__ == "__main__":
    main()
