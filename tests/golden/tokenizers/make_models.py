#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Writes models/ and sentencepiece/: small tokenizers of every kind of model, normalizer and decoder, and what the
Hugging Face library `tokenizers` (0.23) and `sentencepiece` (0.2.3) answer for them.

    python3 -m venv v && v/bin/pip install tokenizers sentencepiece && v/bin/python make_models.py

Scores are multiples of 1/64, so that sums are exact and no rounding decides between two ways."""
import base64
import io
import json
import os
import random
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as pb
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors

from make_qwen2 import CORPUS, HERE, TEXTS, dump, random_texts

RULES = ("41\t61\n42\t62\n54\t74\n4D\t6D\nFF41\t61\nFF42\t62\n65 301\tE9\n61 30A\tE5\nFB01\t66 69\n3000\t20\nA0\t20\nAD\t\n"
         "9\t20\nA\t20\n2126\t3C9\nBD\t31 2044 32\n1100 1161\tAC00\n")
ODD = ["fi\ufb01 e\u0301 e\u0301\u0301 A\u030a a\u030a", "ABab\uff41\uff42 \u2126 \u00bd", "\u1100\u1161\u11a8\u1100", "a\u00adb \u3000 c\u00a0d",
       "<sep>the<sep> cat<SEP>", "The Mill<sep>er  keeps\ttwo\ncats", "   ", "\u00ad", "a\u200d b\u200c\u0301", "don't won't it's , . ! ?",
       "unwinding [UNK] [CLS] x[SEP]y", "##ing ing ##", "a" * 120, "the cat " * 15, "\U0001f469\u200d\U0001f469 \U0001f1e9\U0001f1ea", "Ǆ ǅ ß ẞ İ ı ſ Σς"]
SOME = ODD + TEXTS[::11]
SCRIPTS = ["\u3069\u3053\u3067\u751f\u308c\u3002Yes", "Apples are \u308a\u3093\u3054 \u6797\u6a8e", "a\u3002 b\u30fc\u30ab1 2\u0430\u0431\u0432,\u0433", "\u0301a\u0301\u0430\u0301",
           "  \u05d0 \u0628\u0629\u060c", "\ud55c\uae00\u3042\u30a2\u4e9c\u30fc\u30fb\u3105", "\u0378x\u0378", "x\n\ty"]


def pieces():
    rng = random.Random(3)
    words = sorted({w for line in CORPUS[:6] for w in line.lower().split()})
    out = {"\u2581": -3.0}
    for c in sorted({c for line in CORPUS[:7] for c in line.lower() if c != " "}):
        out[c] = -5 - rng.randrange(64) / 64
    for w in words:
        out["\u2581" + w] = -7 - rng.randrange(128) / 64
        for n in (2, 3, 4):
            out.setdefault(w[-n:], -6 - rng.randrange(192) / 64)
            out.setdefault("\u2581" + w[:n], -6 - rng.randrange(192) / 64)
    return out


def answers(tokenizer, texts):
    cases = []
    for text in texts:
        ids = tokenizer.encode(text).ids
        cases.append({"text_hex": text.encode("utf-8").hex(), "ids": ids,
                      "decoded_keep": tokenizer.decode(ids, skip_special_tokens=False)})
    return cases


def save(name, tokenizer, seed):
    value = json.loads(tokenizer.to_str())
    value["cases"] = answers(tokenizer, SOME + random_texts(seed, 10))
    dump(os.path.join(HERE, "models", name + ".json"), value)


def charsmap():
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        rules.write(RULES)
        rules.flush()
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS * 4), model_writer=model, vocab_size=200, hard_vocab_limit=False,
            minloglevel=2, normalization_rule_tsv=rules.name)
    proto = pb.ModelProto()
    proto.ParseFromString(model.getvalue())
    return proto.normalizer_spec.precompiled_charsmap


def make_unigram(table):
    scored = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0)] + sorted(pieces().items())
    scored += [("<0x%02X>" % b, 0.0) for b in range(256)]
    metaspace = lambda scheme, split=True: pre_tokenizers.Metaspace("\u2581", scheme, split)
    lower = normalizers.Lowercase()
    ways = {
        "unigram-precompiled": (normalizers.Precompiled(table), pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), metaspace("always")]), decoders.Metaspace("\u2581", "always"), False),
        "unigram-nmt": (normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), lower]), metaspace("always", False),
                        decoders.Metaspace("\u2581", "always"), True),
        "unigram-strip": (normalizers.Sequence([normalizers.Strip(), normalizers.NFKD(), normalizers.StripAccents()]),
                          metaspace("always"), decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(),
                                                                 decoders.Fuse(), decoders.Strip(" ", 1, 0)]), True),
    }
    for seed, (name, (normalizer, pre, decoder, fallback)) in enumerate(sorted(ways.items())):
        part = scored if fallback else scored[:-256]
        tokenizer = Tokenizer(models.Unigram(part, unk_id=0, byte_fallback=fallback))
        tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = normalizer, pre, decoder
        tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("<unk>", "<s>", "</s>")])
        tokenizer.add_tokens([AddedToken("<sep>", normalized=seed == 1, lstrip=True)])
        tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
        save(name, tokenizer, 300 + seed)


def make_words():
    pool = [p.replace("\u2581", "") for p in pieces() if p != "\u2581"]
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + list(dict.fromkeys(pool)) + ["."]
    vocab += ["##" + p for p in dict.fromkeys(pool) if len(p) < 4]
    vocab = {t: i for i, t in enumerate(dict.fromkeys(vocab))}
    bert = normalizers.BertNormalizer
    ways = {
        "wordpiece-plain": (bert(), decoders.WordPiece("##", True), 100),
        "wordpiece-cased": (bert(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False),
                            decoders.WordPiece("##", False), 6),
        "wordpiece-accents": (bert(strip_accents=True, lowercase=False), None, 100),
    }
    for seed, (name, (normalizer, decoder, most)) in enumerate(sorted(ways.items())):
        tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=most))
        tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizers.BertPreTokenizer()
        if decoder:
            tokenizer.decoder = decoder
        tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("[UNK]", "[CLS]", "[SEP]")])
        tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
        save(name, tokenizer, 320 + seed)
    tokenizer = Tokenizer(models.WordLevel({t: i for i, t in enumerate(sorted(set(pool)))} | {"[UNK]": len(set(pool))}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(True)])
    save("wordlevel", tokenizer, 330)


def make_suffix():
    """Merges whose last token ends with </w>, over characters."""
    tokens, merges = ["<unk>"], []
    words = sorted({w for line in CORPUS[:4] for w in line.lower().split()})
    for c in sorted({c for w in words for c in w}):
        tokens += [c, c + "</w>"]
    for w in words:
        parts = list(w[:-1]) + [w[-1] + "</w>"]
        while len(parts) > 1:
            merges.append((parts[-2], parts[-1]))
            parts[-2:] = [parts[-2] + parts[-1]]
            tokens.append(parts[-1])
    merges = list(dict.fromkeys(merges))
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(dict.fromkeys(tokens))}, merges, unk_token="<unk>",
                                     end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\s+"), "removed")
    tokenizer.decoder = decoders.BPEDecoder("</w>")
    save("bpe-suffix", tokenizer, 340)
    tokenizer.decoder = decoders.Sequence([decoders.Strip("t", 1, 0), decoders.Replace("</w>", "; "), decoders.Fuse()])
    save("bpe-edits", tokenizer, 341)


def make_prefix():
    """Merges of tokens that are marked inside words: alone, with a mark at the end, with bytes for what is unknown, over
    bytes, and with tokens taken whole first."""
    words = sorted({w for line in CORPUS[:3] for w in line.lower().split()})
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    hexes = [f"<0x{b:02X}>" for b in range(256)]
    ways = {
        "bpe-prefix": ("##", "", [], dict(unk_token="<unk>"), decoders.WordPiece("##", False)),
        "bpe-prefix-suffix": ("@@", "</w>", [], dict(unk_token="<unk>", fuse_unk=True), decoders.BPEDecoder("</w>")),
        "bpe-prefix-fallback": ("#", "", hexes, dict(unk_token="<unk>", byte_fallback=True), None),
        "bpe-prefix-bytes": ("##", "", letters + ["##" + c for c in letters], dict(ignore_merges=True), decoders.ByteLevel()),
    }
    for seed, (name, (prefix, end, first, settings, decoder)) in enumerate(sorted(ways.items())):
        tokens, merges = ["<unk>"] + first, []
        for c in sorted({c for w in words for c in w} - set("qz")):
            tokens += [m + c + e for m in ("", prefix) for e in ("", end)]
        for w in words:
            parts = [w[0]] + [prefix + c for c in w[1:]]
            parts[-1] += end
            while len(parts) > 1:
                i = len(w) * 7 % (len(parts) - 1)
                if set("qz") & set(parts[i] + parts[i + 1]):
                    break
                merges.append((parts[i], parts[i + 1]))
                parts[i : i + 2] = [parts[i] + parts[i + 1][len(prefix) :]]
                tokens.append(parts[i])
        settings |= dict(end_of_word_suffix=end) if end else {}
        tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(dict.fromkeys(tokens))}, list(dict.fromkeys(merges)),
                                         continuing_subword_prefix=prefix, **settings))
        tokenizer.normalizer = normalizers.Lowercase()
        if first == letters + ["##" + c for c in letters]:
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        else:
            tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\s+"), "removed")
        if decoder:
            tokenizer.decoder = decoder
        save(name, tokenizer, 360 + seed)


def make_others():
    """Bytes by a normalizer, cuts by script and by length, and CTC's way to write."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e"), ("\u0120", "c"), ("\u0120c", "a"), ("\u00c3", "\u00a9"), ("a", "t")]
    vocab = {t: i for i, t in enumerate(letters + [a + b for a, b in merges])}
    for name, pre in (("bytes-normalizer", None), ("bytes-normalizer-cut", pre_tokenizers.Split(Regex("\u0120+|[0-9]"), "merged_with_next"))):
        tokenizer = Tokenizer(models.BPE(vocab, merges))
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.ByteLevel()])
        if pre:
            tokenizer.pre_tokenizer = pre
        tokenizer.decoder = decoders.ByteLevel()
        save(name, tokenizer, 350)
    words = {"[UNK]": 0}
    for text in SOME + SCRIPTS:
        for way in (pre_tokenizers.UnicodeScripts(), pre_tokenizers.FixedLength(3)):
            for piece, _ in way.pre_tokenize_str(text):
                if len(piece) < 12:
                    words.setdefault(piece, len(words))
    for name, way in (("scripts", pre_tokenizers.UnicodeScripts()), ("fixed-length", pre_tokenizers.FixedLength(3))):
        tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = way
        tokenizer.decoder = decoders.Fuse()
        SOME.extend(SCRIPTS)
        save(name, tokenizer, 351)
        del SOME[-len(SCRIPTS):]
    signs = ["<pad>", "[UNK]", "|"] + sorted(set("".join(TEXTS[:40]).replace(" ", "")))[:60] + [" n't", " 's"]
    for name, cleanup in (("ctc", True), ("ctc-plain", False)):
        tokenizer = Tokenizer(models.WordLevel({t: i for i, t in enumerate(dict.fromkeys(signs))}, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.Replace(" ", "|")
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
        tokenizer.decoder = decoders.CTC("<pad>", "|", cleanup)
        save(name, tokenizer, 352)


def make_sentencepiece(table):
    """Models of SentencePiece itself: pieces, scores and flags written here, answers by its library."""
    ways = {
        "unigram-user": dict(type=1, user=["<sep>", "<SEP>", "th", " x"], fallback=False, map=True),
        "unigram-bytes": dict(type=1, user=[], fallback=True, map=True),
        "unigram-spaces": dict(type=1, user=["<sep>"], fallback=True, map=False, squeeze=False, prefix=False),
        "bpe-map": dict(type=2, user=["<sep>"], fallback=True, map=True),
    }
    for seed, (name, way) in enumerate(sorted(ways.items())):
        proto = pb.ModelProto()
        unused = random.Random(seed)
        add = lambda piece, score, kind: proto.pieces.add(piece=piece, score=score, type=kind)
        add("<unk>", 0, 2)
        add("<s>", 0, 3)
        add("</s>", 0, 3)
        for piece in way["user"]:
            add(piece.replace(" ", "\u2581"), 0, 4)
        if way["fallback"]:
            for b in range(256):
                add("<0x%02X>" % b, 0, 6)
        for piece, score in sorted(pieces().items()):
            if piece not in way["user"]:
                add(piece, score, 5 if unused.random() < 0.05 and len(piece) > 1 else 1)
        trainer, spec = proto.trainer_spec, proto.normalizer_spec
        trainer.model_type, trainer.byte_fallback = way["type"], way["fallback"]
        trainer.vocab_size = len(proto.pieces)
        spec.name = "test"
        spec.precompiled_charsmap = table if way["map"] else b""
        spec.remove_extra_whitespaces = way.get("squeeze", True)
        spec.add_dummy_prefix = way.get("prefix", True)
        library = sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())
        folder = os.path.join(HERE, "sentencepiece")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name + ".model"), "wb") as f:
            f.write(proto.SerializeToString())
        texts = [t.encode() for t in SOME + random_texts(400 + seed, 30)]
        texts += [b"\xff the \xc3", b"a\x80b", b"\xe4\xbd cat", b"\xf0\x9f\x98", b"\xed\xa0\x80x"]
        cases = []
        for text in texts:
            ids = library.encode(text)
            case = {"text_hex": text.hex(), "ids": ids}
            try:
                text.decode()
                case["decoded_hex"] = library.decode(ids).encode().hex()
            except UnicodeDecodeError:
                pass
            cases.append(case)
        dump(os.path.join(folder, name + ".json"), cases)


if __name__ == "__main__":
    MAP = charsmap()
    make_unigram(MAP)
    make_words()
    make_suffix()
    make_prefix()
    make_others()
    make_sentencepiece(MAP)
