#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The same 10 MB by tiktoken and by the Hugging Face library `tokenizers`, in one thread: the best of three.

    peers.py gpt2|llama3 FOLDER TEXT      FOLDER: ../shared/golden/tokenizers"""
import base64
import json
import os
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
import tiktoken
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def alphabet():
    kept = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    rest = [b for b in range(256) if b not in kept]
    return {**{b: chr(b) for b in kept}, **{b: chr(256 + i) for i, b in enumerate(rest)}}


def ranks_of(which, folder):
    if which == "gpt2":
        back = {c: b for b, c in alphabet().items()}
        vocab = json.load(open(folder + "/gpt2/encoder.json"))
        return {bytes(back[c] for c in t): i for t, i in vocab.items() if t != "<|endoftext|>"}
    lines = open(folder + "/llama3/tokenizer.model", "rb").read().split(b"\n")
    return {base64.b64decode(x.split()[0]): int(x.split()[1]) for x in lines if x}


def merges_of(ranks):
    """The merge that made each token: the two parts that merging by lower ranks alone leaves."""
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda x: x[1]):
        parts = [token[i:i + 1] for i in range(len(token))]
        while len(parts) > 2:
            pairs = [(ranks.get(a + b, rank), i) for i, (a, b) in enumerate(zip(parts, parts[1:]))]
            best, i = min(pairs)
            if best >= rank:
                break
            parts[i:i + 2] = [parts[i] + parts[i + 1]]
        if len(parts) == 2:
            merges.append(tuple(parts))
    return merges


def hugging_face(ranks, pattern):
    letters = alphabet()
    spell = lambda token: "".join(letters[b] for b in token)
    model = models.BPE({spell(t): i for t, i in ranks.items()}, [(spell(a), spell(b)) for a, b in merges_of(ranks)],
                       ignore_merges=pattern is LLAMA3)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return tokenizer


def main():
    which, folder, path = sys.argv[1:]
    raw = open(path, "rb").read()
    text = (raw * (10_000_000 // len(raw) + 1))[:10_000_000].decode("utf-8", "ignore")
    ranks, pattern = ranks_of(which, folder), GPT2 if which == "gpt2" else LLAMA3
    peer = tiktoken.Encoding(which, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    other = hugging_face(ranks, pattern)
    for name, encode, times in (("tiktoken", peer.encode_ordinary, 3), ("tokenizers", lambda t: other.encode(t).ids, 1)):
        best = 1e9
        for _ in range(times):
            start = time.perf_counter()
            n = len(encode(text))
            best = min(best, time.perf_counter() - start)
        print("%s %.1f MB/s, %d ids" % (name, len(text.encode()) / best / 1e6, n))


if __name__ == "__main__":
    main()
