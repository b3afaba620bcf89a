# SPDX-License-Identifier: Apache-2.0 OR MIT
"""SentencePiece-style BPE with byte fallback: trainer and encoder, standard library only.

Vocabulary order: <unk> <s> </s>, <0x00>..<0xFF>, merged pieces in merge order, single characters.
The score of a merged piece is minus its rank, so "merge the adjacent pair of highest score" replays
the training order; that is how readers of `tokenizer.ggml.model = "llama"` encode.

    python tokenizer.py --stories stories.jsonl --size 2048 --out vocab.json
"""
import argparse
import collections
import heapq
import json
import re

SPACE = "\u2581"
UNK, BOS, EOS = 0, 1, 2
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
# Pieces never cross these groups, so a text can be encoded group by group.
GROUP = re.compile(SPACE + r"?[A-Za-z]+|'[a-z]+|" + SPACE + r"?[^A-Za-z'\n" + SPACE + r"]+|[\s\S]")


def load(path, split):
    with open(path, encoding="utf-8") as f:
        return [r["text"] for r in map(json.loads, f) if r["split"] == split]


def train(texts, size):
    groups = collections.Counter()
    for t in texts:
        groups.update(GROUP.findall((SPACE + t).replace(" ", SPACE)))
    groups.pop("\n", None)  # new lines stay byte tokens
    chars = collections.Counter()
    for g, n in groups.items():
        for c in g:
            chars[c] += n
    words = [[list(g), n] for g, n in groups.items()]
    pairs, where = collections.Counter(), collections.defaultdict(set)
    for i, (w, n) in enumerate(words):
        for p in zip(w, w[1:]):
            pairs[p] += n
            where[p].add(i)
    merges = []
    while len(merges) < size - 259 - len(chars):
        best = max(pairs, key=lambda p: (pairs[p], p))
        piece = best[0] + best[1]
        if piece not in merges:
            merges.append(piece)
        for i in list(where[best]):
            w, n = words[i]
            for p in zip(w, w[1:]):
                pairs[p] -= n
                where[p].discard(i)
            k = 0
            while k + 1 < len(w):
                if w[k] == best[0] and w[k + 1] == best[1]:
                    w[k:k + 2] = [piece]
                k += 1
            for p in zip(w, w[1:]):
                pairs[p] += n
                where[p].add(i)
        del pairs[best]
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    types = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256
    pieces = merges + [c for c, _ in chars.most_common()]
    return {"tokens": tokens + pieces,
            "scores": [0.0] * 259 + [-float(i) for i in range(len(pieces))],
            "types": types + [NORMAL] * len(pieces)}


class Tokenizer:
    def __init__(self, vocab):
        self.tokens, self.scores, self.types = vocab["tokens"], vocab["scores"], vocab["types"]
        self.ids = {t: i for i, t in enumerate(self.tokens) if self.types[i] == NORMAL}
        self.cache = {}

    @classmethod
    def open(cls, path):
        with open(path, encoding="utf-8") as f:
            return cls(json.load(f))

    def merge(self, text):
        """Encode escaped text: repeatedly join the adjacent pair of highest score, leftmost first."""
        sym = list(text)
        nxt = list(range(1, len(sym))) + [-1]
        prv = list(range(-1, len(sym) - 1))
        heap = []

        def push(a):
            b = nxt[a] if a >= 0 else -1
            if a >= 0 and b >= 0:
                i = self.ids.get(sym[a] + sym[b])
                if i is not None:
                    heapq.heappush(heap, (-self.scores[i], a, b, sym[a] + sym[b]))

        for a in range(len(sym) - 1):
            push(a)
        while heap:
            _, a, b, s = heapq.heappop(heap)
            if nxt[a] != b or not sym[a] or not sym[b] or sym[a] + sym[b] != s:
                continue
            sym[a], sym[b], nxt[a] = s, "", nxt[b]
            if nxt[b] >= 0:
                prv[nxt[b]] = a
            push(prv[a])
            push(a)
        out = []
        for s in sym:
            if s in self.ids:
                out.append(self.ids[s])
            elif s:
                out.extend(3 + b for b in s.encode("utf-8"))
        return out

    def encode(self, text):
        """Ids of a text, with the space prefix and without <s>."""
        if not text:
            return []
        out = []
        for g in GROUP.findall((" " + text).replace(" ", SPACE)):
            if g not in self.cache:
                self.cache[g] = self.merge(g)
            out.extend(self.cache[g])
        return out

    def decode(self, ids):
        raw = b""
        for i in ids:
            if self.types[i] == BYTE:
                raw += bytes([i - 3])
            elif self.types[i] == NORMAL:
                raw += self.tokens[i].replace(SPACE, " ").encode("utf-8")
        text = raw.decode("utf-8", "replace")
        return text[1:] if text.startswith(" ") else text


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--stories", required=True)
    ap.add_argument("--size", type=int, default=2048)
    ap.add_argument("--out", required=True)
    args = ap.parse_args()
    texts = load(args.stories, "train")
    vocab = train(texts, args.size)
    with open(args.out, "w", encoding="utf-8") as f:
        json.dump(vocab, f, ensure_ascii=False)
    tok = Tokenizer(vocab)
    chars = ids = 0
    for t in texts[:500]:
        e = tok.encode(t)
        assert tok.decode(e) == t and e == tok.merge((" " + t).replace(" ", SPACE))
        chars, ids = chars + len(t), ids + len(e)
    print(f"{len(vocab['tokens'])} tokens, {chars / ids:.2f} characters a token")


if __name__ == "__main__":
    main()
