# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Makes tests/golden/t5: a tiny T5 1.1 that translates digits ("3 1 4") to words ("three one four"), trained here in
about two minutes, with its tokenizer and the logits of transformers.

    pip install torch transformers safetensors
    python make_t5.py OUT_DIR

Written: config.json, tokenizer.json (byte-level BPE: a token a word), model.safetensors (f16, the reference ran in f32
with the rounded values; the head is the embedding, not scaled), and golden.safetensors with seqN.input_ids, seqN.decoder_input_ids, seqN.logits, seqN.hidden
(of the encoder).
"""
import json
import os
import random
import sys

import torch
from safetensors.torch import save_file
from transformers import T5Config, T5ForConditionalGeneration

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
PAD, EOS, UNK = 0, 1, 2
STEPS, LONGEST = 4000, 5


def make_tokenizer(path):
    """Words grow letter by letter; then a space joins them."""
    vocab, merges = ["<pad>", "</s>", "<unk>", "\u0120"], []
    vocab += sorted(set("".join(WORDS))) + [str(d) for d in range(10)]
    for word in WORDS:
        for n in range(2, len(word) + 1):
            if [word[:n - 1], word[n - 1]] not in merges:
                merges.append([word[:n - 1], word[n - 1]])
                vocab.append(word[:n])
    for whole in WORDS + [str(d) for d in range(10)]:
        merges.append(["\u0120", whole])
        vocab.append("\u0120" + whole)
    specials = [{"id": i, "content": vocab[i], "single_word": False, "lstrip": False, "rstrip": False,
                 "normalized": False, "special": True} for i in range(3)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    model = {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
             "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
             "vocab": {token: i for i, token in enumerate(vocab)}, "merges": merges}
    end = [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}]
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"version": "1.0", "truncation": None, "padding": None, "added_tokens": specials,
                   "normalizer": None, "pre_tokenizer": byte_level,
                   "post_processor": {"type": "TemplateProcessing", "single": end, "pair": end,
                                      "special_tokens": {"</s>": {"id": "</s>", "ids": [EOS],
                                                                  "tokens": ["</s>"]}}},
                   "decoder": byte_level, "model": model}, f)
    return {token: i for i, token in enumerate(vocab)}


def batch(ids, n, rng):
    source, target = [], []
    for _ in range(n):
        digits = [rng.randrange(10) for _ in range(rng.randint(1, LONGEST))]
        pad = [PAD] * (LONGEST - len(digits))
        source.append([ids[f"\u0120{d}"] for d in digits] + [EOS] + pad)
        target.append([ids["\u0120" + WORDS[d]] for d in digits] + [EOS] + [-100] * len(pad))
    return torch.tensor(source), torch.tensor(target)


def train(model, ids):
    rng = random.Random(3)
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=STEPS)
    for step in range(STEPS):
        source, target = batch(ids, 64, rng)
        loss = model(input_ids=source, attention_mask=(source != PAD).long(), labels=target).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 500 == 0 or step == STEPS - 1:
            print(step, float(loss), flush=True)


def main():
    out = sys.argv[1]
    torch.manual_seed(5)
    torch.set_num_threads(1)
    os.makedirs(out, exist_ok=True)
    ids = make_tokenizer(os.path.join(out, "tokenizer.json"))
    config = T5Config(vocab_size=len(ids), d_model=32, d_kv=8, d_ff=32, num_layers=2, num_decoder_layers=2,
                      num_heads=4, dropout_rate=0.0, feed_forward_proj="gated-gelu", n_positions=512,
                      tie_word_embeddings=False, decoder_start_token_id=PAD, pad_token_id=PAD, eos_token_id=EOS)
    model = T5ForConditionalGeneration(config)
    train(model, ids)
    model = model.half().float().eval()
    weights = {k: v.detach().half().contiguous() for k, v in model.state_dict().items()
               if "embed_tokens" not in k and "lm_head" not in k}
    save_file(weights, os.path.join(out, "model.safetensors"))
    config.architectures = ["T5ForConditionalGeneration"]
    config.save_pretrained(out)
    golden = {}
    for i, (n, m) in enumerate(((6, 4), (150, 40))):
        source = torch.randint(3, len(ids), (1, n))
        target = torch.cat([torch.tensor([[PAD]]), torch.randint(3, len(ids), (1, m - 1))], dim=1)
        with torch.no_grad():
            answer = model(input_ids=source, decoder_input_ids=target)
        golden[f"seq{i}.input_ids"] = source[0]
        golden[f"seq{i}.decoder_input_ids"] = target[0]
        golden[f"seq{i}.logits"] = answer.logits[0].clone()
        golden[f"seq{i}.hidden"] = answer.encoder_last_hidden_state[0].clone()
    save_file(golden, os.path.join(out, "golden.safetensors"))
    source, _ = batch(ids, 200, random.Random(9))
    names = {i: token for token, i in ids.items()}
    right = 0
    for row in source:
        row = row[row != PAD][None]
        with torch.no_grad():
            answer = model.generate(row, max_new_tokens=12, do_sample=False)[0]
        said = [names[int(t)] for t in answer[1:] if int(t) != EOS]
        right += said == ["\u0120" + WORDS[int(names[int(t)][1:])] for t in row[0][:-1]]
    print(right, "of 200 right")


if __name__ == "__main__":
    main()
