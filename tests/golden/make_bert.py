# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Makes tests/golden/bert and roberta/ in it: a tiny random BERT and RoBERTa and their hidden states by transformers.

    pip install torch transformers safetensors gguf
    python make_bert.py OUT_DIR

Written: config.json, model.safetensors (f16, the reference ran in f32 with the rounded values), 1_Pooling/
as sentence-transformers saves it (cls), bert.gguf (the same weights under llama.cpp's names, mean), and
golden.safetensors with seqN.input_ids and seqN.hidden (the last hidden states).
"""
import json
import os
import sys

import gguf
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

NAMES = {"embeddings.word_embeddings": "token_embd", "embeddings.position_embeddings": "position_embd",
         "embeddings.token_type_embeddings": "token_types", "embeddings.LayerNorm": "token_embd_norm",
         "attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
         "attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm",
         "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm"}


def gguf_name(name):
    stem, suffix = name.rsplit(".", 1)
    if stem.startswith("encoder.layer."):
        layer, rest = stem[len("encoder.layer."):].split(".", 1)
        return f"blk.{layer}.{NAMES[rest]}.{suffix}"
    return f"{NAMES[stem]}.{suffix}"


def save_gguf(path, config, weights):
    w = gguf.GGUFWriter(path, "bert")
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(config.hidden_size)
    w.add_feed_forward_length(config.intermediate_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_head_count(config.num_attention_heads)
    w.add_layer_norm_eps(config.layer_norm_eps)
    w.add_causal_attention(False)
    w.add_pooling_type(gguf.PoolingType.MEAN)
    for name, t in weights.items():
        if not name.startswith("pooler"):
            w.add_tensor(gguf_name(name), (t.float() if t.dim() == 1 else t).numpy())
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def randomize(model):
    """Random values that f16 holds; the weights, in f16."""
    for p in model.parameters():
        torch.nn.init.normal_(p, mean=0.5 if p.dim() == 1 else 0.0, std=0.2)
    weights = {k: v.detach().half().contiguous() for k, v in model.state_dict().items()
               if v.is_floating_point()}
    model.load_state_dict({k: v.float() for k, v in weights.items()}, strict=False)
    return weights


def save_golden(path, model, first):
    golden = {}
    for i, n in enumerate((5, 1, 77)):
        ids = torch.randint(first, model.config.vocab_size, (1, n))
        with torch.no_grad():
            golden[f"seq{i}.hidden"] = model(ids).last_hidden_state[0].clone()
        golden[f"seq{i}.input_ids"] = ids[0]
    save_file(golden, path)


def make_roberta(out):
    torch.manual_seed(12)
    config = RobertaConfig(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
                           num_attention_heads=4, max_position_embeddings=79, type_vocab_size=1, pad_token_id=1)
    model = RobertaModel(config, add_pooling_layer=False).eval()
    os.makedirs(out, exist_ok=True)
    save_file({"roberta." + k: v for k, v in randomize(model).items()}, os.path.join(out, "model.safetensors"))
    config.save_pretrained(out)
    save_golden(os.path.join(out, "golden.safetensors"), model, 2)


def main():
    out = sys.argv[1]
    torch.manual_seed(11)
    config = BertConfig(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                        num_attention_heads=4, max_position_embeddings=80, type_vocab_size=2)
    model = BertModel(config).eval()
    weights = randomize(model)
    os.makedirs(os.path.join(out, "1_Pooling"), exist_ok=True)
    save_file(weights, os.path.join(out, "model.safetensors"))
    config.save_pretrained(out)
    with open(os.path.join(out, "1_Pooling", "config.json"), "w", encoding="utf-8") as f:
        json.dump({"word_embedding_dimension": config.hidden_size, "pooling_mode_cls_token": True,
                   "pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": False}, f)
    save_gguf(os.path.join(out, "bert.gguf"), config, weights)
    save_golden(os.path.join(out, "golden.safetensors"), model, 0)
    make_roberta(os.path.join(out, "roberta"))


if __name__ == "__main__":
    main()
