# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Check an exported file against PyTorch and write the golden values for the engine's tests.

    python check.py --gguf stories.gguf --model model.pt --stories stories.jsonl --golden golden.json
"""
import argparse
import json

import numpy as np
import torch

from gguf_numpy import Gguf, Model
from model import Config, Llama
from sample import generate, tokenizer_of
from tokenizer import BOS, EOS, load
from train import evaluate, pack
import random

CASES = ["Once upon a time, there was a little girl named Lily.",
         "\"Yes!\" said Tom, \"I can't wait.\"\n\nThe end.",
         " two  spaces and a tab\t",
         "na\u00efve caf\u00e9 \u2192 \u65e5\u672c\u8a9e \U0001f98a",
         "x = 3 * (y + 42); // {code} <s>",
         "The dragon's biggest friends weren't frightened anymore"]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--gguf", required=True)
    ap.add_argument("--model", required=True)
    ap.add_argument("--stories", required=True)
    ap.add_argument("--golden")
    args = ap.parse_args()
    torch.set_num_threads(2)
    gguf = Gguf(args.gguf)
    tok, reader = tokenizer_of(gguf), Model(gguf)
    ck = torch.load(args.model, map_location="cpu", weights_only=True)
    exact = Llama(Config(**ck["config"])).eval()
    exact.load_state_dict(ck["model"])
    widened = Llama(Config(**ck["config"])).eval()
    widened.load_state_dict({k: torch.tensor(v) for k, v in gguf.tensors.items()})

    held = [tok.encode(t) for t in load(args.stories, "held")]
    ids = [BOS] + held[0][:255]
    mine = np.stack([reader.step(i) for i in ids])
    with torch.no_grad():
        a, b = widened(torch.tensor([ids]))[0].numpy(), exact(torch.tensor([ids]))[0].numpy()
    print(f"{len(ids)} positions: numpy - torch, same Q8_0 weights: max {np.abs(mine - a).max():.2e}; "
          f"Q8_0 - F32 weights: max {np.abs(a - b).max():.3f}, same argmax {np.mean(a.argmax(1) == b.argmax(1)):.4f}")
    assert np.abs(mine - a).max() < 1e-3
    rows = pack(held, exact.cfg.context, random.Random(0))
    print(f"held-out loss: F32 {evaluate(exact, rows, 8):.4f}, Q8_0 {evaluate(widened, rows, 8):.4f}")

    if args.golden:
        out, margins = generate(reader, [BOS], 200, 0.0, 1.0, None)
        with torch.no_grad():  # the whole sequence at once, in double precision
            wide = widened.double()
            top = wide(torch.tensor([[BOS] + out[:-1]]))[0].argmax(1).tolist()
        print(f"greedy: 200 ids, float64 torch agrees: {top == out}, smallest margin {min(margins):.4f}")
        golden = {"prompt_ids": [BOS], "greedy_ids": out, "greedy_text": tok.decode(out),
                  "margins": [round(m, 4) for m in margins],
                  "tokenizer": [{"text": t, "ids": tok.encode(t)} for t in CASES]}
        assert all(tok.decode(c["ids"]) == c["text"] for c in golden["tokenizer"])
        with open(args.golden, "w", encoding="utf-8") as f:
            json.dump(golden, f, ensure_ascii=False, separators=(",", ":"))
            f.write("\n")


if __name__ == "__main__":
    main()
