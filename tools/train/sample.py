# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Tell stories with an exported file, using the numpy reader.

    python sample.py --gguf stories.gguf --prompt "Once upon a time" --temperature 0.8 --seed 1
"""
import argparse

import numpy as np

from gguf_numpy import Gguf, Model
from tokenizer import BOS, EOS, Tokenizer


def tokenizer_of(gguf):
    m = gguf.meta
    return Tokenizer({"tokens": m["tokenizer.ggml.tokens"], "scores": m["tokenizer.ggml.scores"],
                      "types": m["tokenizer.ggml.token_type"]})


def generate(model, ids, length, temperature, top_p, rng):
    """Ids that follow `ids`, and the margin between the two best logits of each step."""
    model.reset()
    out, margins = [], []
    for i in ids:
        logits = model.step(i)
    while len(out) < length:
        best = np.sort(logits)[-2:]
        if temperature <= 0:
            token = int(np.argmax(logits))
        else:
            p = np.exp((logits - logits.max()) / temperature)
            p /= p.sum()
            order = np.argsort(-p)
            keep = order[:int(np.searchsorted(np.cumsum(p[order]), top_p)) + 1]
            token = int(rng.choice(keep, p=p[keep] / p[keep].sum()))
        out.append(token)
        margins.append(float(best[1] - best[0]))
        if temperature > 0 and token == EOS or len(out) == length:
            break
        logits = model.step(token)
    return out, margins


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--gguf", required=True)
    ap.add_argument("--prompt", default="")
    ap.add_argument("--length", type=int, default=400)
    ap.add_argument("--temperature", type=float, default=0.0)
    ap.add_argument("--top-p", type=float, default=1.0)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--count", type=int, default=1)
    args = ap.parse_args()
    gguf = Gguf(args.gguf)
    tok, model = tokenizer_of(gguf), Model(gguf)
    for n in range(args.count):
        ids = [BOS] + tok.encode(args.prompt)
        rng = np.random.default_rng(args.seed + n)
        out, _ = generate(model, ids, args.length, args.temperature, args.top_p, rng)
        if EOS in out:
            out = out[:out.index(EOS)]
        print(f"--- temperature {args.temperature}, seed {args.seed + n}\n{tok.decode(ids + out)}\n")


if __name__ == "__main__":
    main()
