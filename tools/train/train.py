# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Train the story model on a CPU.

Whole stories are packed into rows of the context length (best fit, anew each epoch); the matrices
are trained with Muon (orthogonalised momentum), the embedding and the norms with AdamW. The rate is
held and then falls linearly to zero at the end of --minutes or --steps, whichever comes first.

    python train.py --stories stories.jsonl --vocab vocab.json --out model.pt --minutes 40
"""
import argparse
import bisect
import dataclasses
import json
import math
import random
import time

import torch

from model import Config, Llama
from tokenizer import BOS, EOS, Tokenizer, load


def pack(stories, length, rng):
    """Rows of length + 1 ids, each starting at a story's <s>; the rest of a row is -1."""
    pieces = []
    for s in stories:
        ids = [BOS] + s + [EOS]
        pieces += [ids[i:i + length + 1] for i in range(0, max(1, len(ids) - 1), length)]
    rng.shuffle(pieces)
    rows, free = [], []  # free: sorted (room, row)
    for p in sorted(pieces, key=lambda p: -(len(p) // 24)):
        k = bisect.bisect_left(free, (len(p), -1))
        if k < len(free):
            room, r = free.pop(k)
        else:
            room, r = length + 1, len(rows)
            rows.append([])
        rows[r] += p
        bisect.insort(free, (room - len(p), r))
    out = torch.full((len(rows), length + 1), -1)
    rng.shuffle(rows)
    for i, row in enumerate(rows):
        out[i, :len(row)] = torch.tensor(row)
    return out


def inputs(rows):
    """Ids and targets of packed rows; the step from </s> to the next <s> is not trained."""
    x, y = rows[:, :-1], rows[:, 1:].clone()
    y[y == BOS] = -1
    return x.clamp_min(0), y


class Muon(torch.optim.Optimizer):
    """Momentum whose update matrix is brought near the closest semi-orthogonal one by Newton-Schulz steps."""

    def __init__(self, params, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                buf = self.state[p].setdefault("m", torch.zeros_like(p))
                buf.lerp_(p.grad, 1 - group["momentum"])
                x = p.grad.lerp(buf, group["momentum"])
                tall = x.shape[0] > x.shape[1]
                x = x.T if tall else x
                x = x / (x.norm() + 1e-7)
                for _ in range(5):
                    a = x @ x.T
                    x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
                x = x.T if tall else x
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(x, alpha=-group["lr"] * max(1.0, p.shape[0] / p.shape[1]) ** 0.5)


@torch.no_grad()
def evaluate(model, rows, batch):
    model.eval()
    total = count = 0
    for i in range(0, len(rows), batch):
        x, y = inputs(rows[i:i + batch])
        n = int((y >= 0).sum())
        total, count = total + model(x, y).item() * n, count + n
    model.train()
    return total / count


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--stories", required=True)
    ap.add_argument("--vocab", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--log")
    ap.add_argument("--minutes", type=float, default=1e9)
    ap.add_argument("--steps", type=int, default=10 ** 9)
    ap.add_argument("--batch", type=int, default=6, help="rows a step")
    ap.add_argument("--lr", type=float, default=0.02, help="Muon")
    ap.add_argument("--adam-lr", type=float, default=0.004)
    ap.add_argument("--weight-decay", type=float, default=0.1)
    ap.add_argument("--dropout", type=float, default=0.0)
    ap.add_argument("--hold", type=float, default=0.3, help="part of the run before the rate falls")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--compile", action="store_true")
    for f in dataclasses.fields(Config)[1:]:
        ap.add_argument("--" + f.name.replace("_", "-"), type=f.type, default=f.default)
    args = ap.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)

    tok = Tokenizer.open(args.vocab)
    stories = [tok.encode(t) for t in load(args.stories, "train")]
    held = [tok.encode(t) for t in load(args.stories, "held")]
    cfg = Config(len(tok.tokens), *(getattr(args, f.name) for f in dataclasses.fields(Config)[1:]))
    held_rows = pack(held, cfg.context, random.Random(0))
    model = Llama(cfg)
    model.drop = args.dropout
    matrices = [p for p in model.blk.parameters() if p.dim() == 2]
    norms = [p for p in model.parameters() if p.dim() == 1]
    opts = [Muon(matrices, args.lr, weight_decay=args.weight_decay),
            torch.optim.AdamW([{"params": [model.token_embd.weight], "weight_decay": 0.01},
                               {"params": norms, "weight_decay": 0.0}],
                              lr=args.adam_lr, betas=(0.9, 0.98), eps=1e-10)]
    base = [[g["lr"] for g in o.param_groups] for o in opts]
    params = sum(p.numel() for p in model.parameters())
    print(f"{params} parameters, {sum(map(len, stories))} training tokens, {sum(map(len, held))} held out", flush=True)
    run = torch.compile(model) if args.compile else model

    def save(**facts):
        torch.save({"config": dataclasses.asdict(cfg), "model": model.state_dict(), "facts": facts}, args.out)

    start = time.time()
    log = open(args.log, "w") if args.log else None
    step, seen, rows, at, mean = 0, 0, [], 0, None
    next_eval, epoch, facts = 0.02, 0, {}
    while True:
        if at + args.batch > len(rows):
            rows, at, epoch = pack(stories, cfg.context, rng), 0, epoch + 1
        done = max(step / args.steps, (time.time() - start) / 60 / args.minutes)
        if done >= next_eval or done >= 1:
            facts = dict(step=step, epochs=round(seen / sum(map(len, stories)), 2), tokens_seen=seen,
                         minutes=round((time.time() - start) / 60, 2), train_loss=round(mean, 4),
                         held_out_loss=round(evaluate(run, held_rows, args.batch), 4), parameters=params)
            save(**facts)
            print(json.dumps(facts), flush=True)
            if log:
                log.write(json.dumps(facts) + "\n")
                log.flush()
            next_eval = done + 0.03
            if done >= 1:
                break
        rate = min(1.0, (step + 1) / 40) * min(1.0, (1 - done) / (1 - args.hold))
        for o, rates in zip(opts, base):
            for g, r in zip(o.param_groups, rates):
                g["lr"] = r * max(rate, 0.0)
        x, y = inputs(rows[at:at + args.batch])
        at += args.batch
        loss = run(x, y)
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in opts:
            o.step()
        value = loss.item()
        assert math.isfinite(value)
        mean = value if mean is None else 0.98 * mean + 0.02 * value
        seen += int((y >= 0).sum())
        step += 1


if __name__ == "__main__":
    main()
