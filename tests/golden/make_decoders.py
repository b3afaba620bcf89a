# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Makes tests/golden/decoders/: tiny random models of families of which there is no other reference
data, with the logits and greedy continuations that the transformers package computes for them.

    pip install transformers torch safetensors
    python tests/golden/make_decoders.py [NAME...]

Weights are rounded to bfloat16 first; the reference then runs in float32 with the rounded values. The
tolerance is 20 times the difference between float32 and float64, at least 2e-5 of the largest logit.
"""
import json
import os
import sys

import torch
import transformers
from safetensors.torch import save_file

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "decoders")
VOCAB = 40
COMMON = dict(vocab_size=VOCAB, max_position_embeddings=64, pad_token_id=None, bos_token_id=1, eos_token_id=2)

# name: (config class, model class, its own values, lengths of the sequences, context of the session)
MODELS = {
    "qwen2": ("Qwen2Config", "Qwen2ForCausalLM",
              dict(hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
                   num_key_value_heads=1, tie_word_embeddings=True), (1, 7, 21), 0),
    "qwen3": ("Qwen3Config", "Qwen3ForCausalLM",
              dict(hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=4,
                   num_key_value_heads=2, head_dim=16, tie_word_embeddings=False), (1, 7, 21), 0),
    # windows of 6 in two layers of three, another rotation there, a stretched one in the third
    "gemma3": ("Gemma3TextConfig", "Gemma3ForCausalLM",
               dict(hidden_size=32, intermediate_size=32, num_hidden_layers=3, num_attention_heads=4,
                    num_key_value_heads=1, head_dim=16, query_pre_attn_scalar=12, sliding_window=6,
                    layer_types=["sliding_attention", "sliding_attention", "full_attention"],
                    final_logit_softcapping=20.0, tie_word_embeddings=True,
                    rope_parameters={"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                                     "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}),
               (1, 7, 21), 0),
    # the rotation depends on whether the session is longer than the original context
    "phi3-short": ("Phi3Config", "Phi3ForCausalLM", "phi3", (1, 7, 15), 16),
    "phi3-long": ("Phi3Config", "Phi3ForCausalLM", "phi3", (18, 25), 64),
    "mixtral": ("MixtralConfig", "MixtralForCausalLM",
                dict(hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=4,
                     num_key_value_heads=2, num_local_experts=3, num_experts_per_tok=2, sliding_window=None,
                     tie_word_embeddings=False), (1, 7, 21), 0),
    "qwen3moe": ("Qwen3MoeConfig", "Qwen3MoeForCausalLM",
                 dict(hidden_size=32, intermediate_size=40, moe_intermediate_size=32, num_hidden_layers=1,
                      num_attention_heads=4, num_key_value_heads=2, head_dim=8, num_experts=4,
                      num_experts_per_tok=3, norm_topk_prob=False, decoder_sparse_step=1, mlp_only_layers=[],
                      tie_word_embeddings=True), (1, 7, 21), 0),
}
PHI3 = dict(hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, original_max_position_embeddings=16, sliding_window=None,
            tie_word_embeddings=True,
            rope_parameters={"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0, 1.1, 1.25, 1.5],
                             "long_factor": [1.0, 2.5, 6.0, 14.0]})


def build(name):
    config_class, model_class, own, lengths, context = MODELS[name]
    own = PHI3 if own == "phi3" else own
    torch.manual_seed(sum(name.split("-")[0].encode()))
    config = getattr(transformers, config_class)(**{**COMMON, **own})
    config._attn_implementation = config._experts_implementation = "eager"
    model = getattr(transformers, model_class)(config).eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            scale = 0.1 if "norm" in key else 0.25 if p.dim() > 1 else 0.1
            base = 1.0 if "norm" in key and "gemma" not in name else 0.0
            p.copy_((base + scale * torch.randn(p.shape)).bfloat16().float())
        model.tie_weights()
    return model, lengths, context


def main(name):
    model, lengths, context = build(name)
    where = os.path.join(HERE, name)
    out, noise, largest = {}, 0.0, 0.0
    with torch.no_grad():
        for i, n in enumerate(lengths):
            ids = torch.randint(3, VOCAB, (1, n), generator=torch.Generator().manual_seed(100 + i))
            logits = model(ids, use_cache=False).logits[0]
            exact = model.double()(ids, use_cache=False).logits[0]
            model.float()
            noise = max(noise, (logits.double() - exact).abs().max().item())
            largest = max(largest, logits.abs().max().item())
            greedy, margins, now = [], [], ids
            steps = 0 if context and n + 8 > context else 8
            for _ in range(steps):
                last = model(now, use_cache=False).logits[0, -1]
                top = last.topk(2)
                greedy.append(top.indices[0].item())
                margins.append((top.values[0] - top.values[1]).item())
                now = torch.cat([now, top.indices[:1].view(1, 1)], dim=1)
            out[f"seq{i}.input_ids"] = ids[0].clone()
            out[f"seq{i}.logits"] = logits.contiguous()
            if steps:
                out[f"seq{i}.greedy_ids"] = torch.tensor(greedy)
                out[f"seq{i}.greedy_margins"] = torch.tensor(margins)
    os.makedirs(where, exist_ok=True)
    model.bfloat16().save_pretrained(where)
    for extra in ("generation_config.json",):
        if os.path.exists(os.path.join(where, extra)):
            os.remove(os.path.join(where, extra))
    save_file(out, os.path.join(where, "golden.safetensors"))
    meta = {
        "ran": f"transformers {transformers.__version__}, torch {torch.__version__}, eager attention, float32",
        "noise_f32_vs_f64_logits": noise, "max_abs_logit": largest, "context": context,
        "tolerance": {"max_abs_error": float(f"{max(20 * noise, 2e-5 * largest):.2g}")},
    }
    with open(os.path.join(where, "meta.json"), "w") as f:
        json.dump(meta, f, indent=1)
        f.write("\n")
    size = sum(os.path.getsize(os.path.join(where, f)) for f in os.listdir(where))
    print(name, f"{size} bytes", meta["tolerance"], "largest", largest)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for model_name in sys.argv[1:] or MODELS:
        main(model_name)
