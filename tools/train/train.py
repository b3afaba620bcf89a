# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Train the story model on a CPU.

Whole stories are packed into rows of the context length (best fit, anew each epoch); the matrices
are trained with Muon (orthogonalised momentum), the embedding and the norms with AdamW. The rate is
held and then falls linearly to zero at the end of --minutes or --steps, whichever comes first.

    python train.py --stories stories.jsonl --vocab vocab.json --out model.pt --minutes 40

On a machine that does other work too, two processes of one thread beat one process of two threads:
    torchrun --nproc-per-node 2 train.py --threads 1 ...
--init goes on from an earlier model with a fresh schedule; the reported totals then include its run.
"""
import argparse
import bisect
import dataclasses
import json
import math
import os
import random
import time

import torch
import torch.distributed as dist

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
    """Momentum whose update matrix is brought near the closest semi-orthogonal one by Newton-Schulz steps.

    With several processes each one orthogonalises its share of the matrices and all exchange the results.
    """

    def __init__(self, params, lr, momentum=0.95, weight_decay=0.0, rank=0, world=1):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))
        self.rank, self.world = rank, world

    @torch.no_grad()
    def step(self):
        group = self.param_groups[0]
        params = group["params"]
        flat = torch.zeros(sum(p.numel() for p in params))
        views = [v.view_as(p) for v, p in zip(flat.split([p.numel() for p in params]), params)]
        for i, (p, v) in enumerate(zip(params, views)):
            buf = self.state[p].setdefault("m", torch.zeros_like(p))
            buf.lerp_(p.grad, 1 - group["momentum"])
            if i % self.world != self.rank:
                continue
            x = p.grad.lerp(buf, group["momentum"])
            tall = x.shape[0] > x.shape[1]
            x = x.T if tall else x
            x = x / (x.norm() + 1e-7)
            for _ in range(5):
                a = x @ x.T
                x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
            v.copy_(x.T if tall else x)
        if self.world > 1:
            dist.all_reduce(flat)
        for p, v in zip(params, views):
            p.mul_(1 - group["lr"] * group["weight_decay"])
            p.add_(v, alpha=-group["lr"] * max(1.0, p.shape[0] / p.shape[1]) ** 0.5)


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
    ap.add_argument("--init")
    ap.add_argument("--history")
    ap.add_argument("--minutes", type=float, default=1e9)
    ap.add_argument("--steps", type=int, default=10 ** 9)
    ap.add_argument("--batch", type=int, default=6, help="rows a step, of all processes together")
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
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if world > 1:
        dist.init_process_group("gloo")
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
    before = {"step": 0, "tokens_seen": 0, "minutes": 0.0}
    if args.init:
        ck = torch.load(args.init, map_location="cpu", weights_only=True)
        assert ck["config"] == dataclasses.asdict(cfg)
        model.load_state_dict(ck["model"])
        before = ck["facts"]
    matrices = [p for p in model.blk.parameters() if p.dim() == 2]
    norms = [p for p in model.parameters() if p.dim() == 1]
    opts = [Muon(matrices, args.lr, weight_decay=args.weight_decay, rank=rank, world=world),
            torch.optim.AdamW([{"params": [model.token_embd.weight], "weight_decay": 0.01},
                               {"params": norms, "weight_decay": 0.0}],
                              lr=args.adam_lr, betas=(0.9, 0.98), eps=1e-10)]
    base = [[g["lr"] for g in o.param_groups] for o in opts]
    params = sum(p.numel() for p in model.parameters())
    if rank == 0:
        print(f"{params} parameters, {sum(map(len, stories))} training tokens, {sum(map(len, held))} held out",
              flush=True)
    run = torch.compile(model) if args.compile else model

    def save(**facts):
        torch.save({"config": dataclasses.asdict(cfg), "model": model.state_dict(), "facts": facts}, args.out)

    def report():
        total = before["tokens_seen"] + seen
        facts = dict(step=before["step"] + step, epochs=round(total / sum(map(len, stories)), 2), tokens_seen=total,
                     minutes=round(before["minutes"] + (time.time() - start) / 60, 2), train_loss=round(mean, 4),
                     held_out_loss=round(evaluate(model, held_rows, args.batch), 4), parameters=params)
        save(**facts)
        print(json.dumps(facts), flush=True)
        if args.history:
            with open(args.history, "a") as f:
                f.write(json.dumps(facts) + "\n")

    start = time.time()
    step, seen, rows, at, mean = 0, 0, [], 0, None
    done, next_report = 0.0, 0.02
    share = args.batch // world
    everything = list(model.parameters())
    torch.manual_seed(args.seed * 1000 + rank)
    while done < 1:
        if at + args.batch > len(rows):
            rows, at = pack(stories, cfg.context, rng), 0  # the same rows in every process
        rate = min(1.0, (step + 1) / 40) * min(1.0, (1 - done) / (1 - args.hold))
        for o, rates in zip(opts, base):
            for g, r in zip(o.param_groups, rates):
                g["lr"] = r * max(rate, 0.0)
        x, y = inputs(rows[at:at + args.batch])
        at += args.batch
        seen += int((y >= 0).sum())
        loss = run(x[rank * share:(rank + 1) * share], y[rank * share:(rank + 1) * share])
        model.zero_grad(set_to_none=True)
        loss.backward()
        step += 1
        clock = max(step / args.steps, (time.time() - start) / 60 / args.minutes)
        flat = torch.cat([p.grad.flatten() for p in everything] + [torch.tensor([loss.item(), clock])])
        if world > 1:
            dist.all_reduce(flat)
            flat /= world
            for p, g in zip(everything, flat.split([p.numel() for p in everything] + [2])):
                p.grad.copy_(g.view_as(p))
        value, done = flat[-2:].tolist()
        assert math.isfinite(value)
        mean = value if mean is None else 0.98 * mean + 0.02 * value
        torch.nn.utils.clip_grad_norm_(everything, 1.0)
        for o in opts:
            o.step()
        if done >= next_report or done >= 1:
            next_report = done + 0.03
            if rank == 0:
                report()


if __name__ == "__main__":
    main()
