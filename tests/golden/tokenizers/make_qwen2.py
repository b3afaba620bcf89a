#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Writes qwen2/ and pipelines/: small tokenizers of our own training, and what the Hugging Face library
`tokenizers` (0.23) answers for them. The tests compare this engine with those answers id for id.

    python3 -m venv v && v/bin/pip install tokenizers && v/bin/python make_qwen2.py

qwen2/ has the pipeline that Qwen 2 publishes (NFC, its expression, byte level). pipelines/ has one file
for each other step and option that the engine reads. Nothing here is random without a seed."""
import json
import os
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
GPT4O = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
          r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
          r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN35 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
          r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK3 = ["\\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
             r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
             r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]

CORPUS = [
    "The miller keeps two cats, one grey and one white. She's sure they've never left the mill.",
    "In winter the river freezes and the wheel stands still; in spring it turns again, day and night.",
    "I'll tell you what we're going to do: count the sacks, weigh them, and write the numbers down.",
    "The first sack weighs 25 kg, the second 27 kg, and the third 1,250 g less than the second.",
    "for (size_t i = 0; i < n; i++) { sum += x[i] * w[i]; }  /* one pass, no allocation */",
    "def read(path):\n    with open(path, 'rb') as f:\n        return f.read()\n",
    "Der Müller hält zwei Katzen, eine graue und eine weiße. Im Winter friert der Fluss zu.",
    "Le meunier a deux chats, l'un gris et l'autre blanc. L'été, la rivière est à sec.",
    "Мельник держит двух кошек, серую и белую. Зимой река замерзает.",
    "磨坊主养了两只猫，一只灰色，一只白色。冬天河水结冰。",
    "粉屋は猫を二匹飼っています。灰色と白です。冬は川が凍ります。",
    "방앗간 주인은 고양이 두 마리를 키운다. 겨울에는 강이 언다.",
    "يربي الطحان قطتين، واحدة رمادية والأخرى بيضاء.",
]

TEXTS = [
    "", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", "a", " a", "  a", "a ", "a  ", "\u00a0a", "a\u00a0b", "\u3000全角",
    "The miller keeps two cats.", " The miller  keeps   two cats. ", "It's, IT'S, they'Re, we'LL, I'D, 'tis, 'S 't 'x '",
    "it\u2019s ſ 'ſ I'\u017f", "weigh 25 kg, 1250g, 12345678, 3.14159, ½ Ⅷ ٣٤٥ 〇", "x=1;y=22;z=333;w=4444",
    "line\n line\n\n  line\r\n\r\n   end   \n", "trailing   ", "\n  \n  x", " \t \n\t x", "tabs\t\tand\tmore",
    "Wait!!! What?? (really) [yes] {no} -- ... ;; ---> /* c */ // d\n\n", "a/b/c\\d", "#include <x.h>\n", "$5.00 + €3 = ?",
    "cafe\u0301 café A\u030angstro\u0308m Å \u1100\u1161\u11a8 각", "nai\u0308ve \u212b \u2126 \ufb01 ﬁ", "e\u0301\u0301\u0323 \u0344",
    "磨坊主养了两只猫。 冬天 河水", "粉屋は猫を二匹、カタカナ ひらがな 漢字", "방앗간 주인은", "عربي ١٢٣ نص", "नमस्ते दुनिया", "สวัสดีชาวโลก", "Ελλάδα Ωμέγα ΣΑΣ",
    "😀 😀😀 👩‍👩‍👧 🇩🇪 e\u20dd", "\u200b\u200d\u2060\ufeff x", "\u1680\u180e\u2028\u2029\u0085\u001c\u001f y", "\u0000\u0001\u007f",
    "UPPER lower CamelCase snake_case kebab-case x86_64 HTTPServer iPhone McDonald's",
    "<|endoftext|>", "a<|endoftext|>b", "<|im_start|>user\nHi there<|im_end|>\n<|im_start|>assistant\n", "<|im_start|> <|im_end|>", "<|im_start", "<|endoftext|",
    "<s>x</s>", "<s> x </s> y", "<unk>", "a<pad>b", "  <pad>  x", "x  <strip>  y", "<strip>", "  <strip>", "no word, word, words, sword word", "word", "wordword", "_word", "é word", "wordé",
    "▁▁x ▁y", "a▁b", "<0x41><0x0A>", "\ud7ff\ue000\ufffd\U0010ffff",
]


def random_texts(seed, n):
    rng = random.Random(seed)
    pools = ["abcdefXYZ", "0123456789", "     \t\n\r", "'.,;:!?-/()[]{}<>|_#", "éüßñøÅſ", "дежкм", "冬天河水の", "각강가",
             "\u0301\u0308\u0323", "\u00a0\u2003\u3000\u0085\u2028", "½²Ⅷ٣", "😀👩\u200d"]
    out = []
    for _ in range(n):
        text = ""
        for _ in range(rng.randint(1, 14)):
            text += "".join(rng.choice(rng.choice(pools)) for _ in range(rng.randint(1, 5))) \
                if rng.random() < 0.5 else "".join([rng.choice(pools[rng.randrange(len(pools))])] * rng.randint(1, 3))
        out.append(text)
    return out


# Texts for pipelines/: those that its steps treat differently.
SOME = [t for i, t in enumerate(TEXTS) if i % 2 == 0 or "strip" in t or "word" in t or "pad" in t][:44]


def dump(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")


def answers(tokenizer, texts, full):
    cases = []
    for text in texts:
        ids = tokenizer.encode(text).ids
        case = {"text_hex": text.encode("utf-8").hex(), "ids": ids}
        if full:
            case["ids_nospecial"] = tokenizer.encode(text, add_special_tokens=False).ids
            case["decoded"] = tokenizer.decode(ids, skip_special_tokens=True)
        case["decoded_keep"] = tokenizer.decode(ids, skip_special_tokens=False)
        cases.append(case)
    return cases


def save_pipelines(tokenizers, seed, shared_model):
    """A file for each: its tokenizer.json with the cases as one more key, and, where all have the same model,
    without it. Every two must differ in some case, or one of them tests nothing."""
    seen = {}
    for i, (name, tokenizer) in enumerate(sorted(tokenizers.items())):
        value = json.loads(tokenizer.to_str())
        if shared_model:
            dump(os.path.join(HERE, "pipelines", "model.json"), value.pop("model"))
        value["cases"] = answers(tokenizer, SOME + random_texts(seed + i, 6), False)
        key = json.dumps([c["ids"] for c in value["cases"][:len(SOME)]])
        assert key not in seen, (name, seen[key])
        seen[key] = name
        dump(os.path.join(HERE, "pipelines", name + ".json"), value)


def train_bytes(size, pre):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre
    tokenizer.train_from_iterator((CORPUS + TEXTS) * 2, trainers.BpeTrainer(
        vocab_size=size, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train_characters(n_merges):
    """Merges over characters with byte fallback, spaces as U+2581, as Llama 2's file has them. Trained here, on
    the first eight lines, so that the characters of the others go through byte fallback; the library's own
    trainer breaks ties differently each time."""
    lines = [list(line.replace(" ", "\u2581")) for line in CORPUS[:8]]
    tokens = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % b for b in range(256)]
    tokens += sorted(set(c for line in lines for c in line))
    merges = []
    for _ in range(n_merges):
        counts = {}
        for line in lines:
            for pair in zip(line, line[1:]):
                counts[pair] = counts.get(pair, 0) + 1
        left, right = min(counts, key=lambda p: (-counts[p], p))
        merges.append((left, right))
        if left + right not in tokens:
            tokens.append(left + right)
        for line in lines:
            i = 0
            while i + 1 < len(line):
                if (line[i], line[i + 1]) == (left, right):
                    line[i:i + 2] = [left + right]
                i += 1
    vocab = {token: i for i, token in enumerate(tokens)}
    return lambda **options: Tokenizer(models.BPE(vocab=vocab, merges=merges, **options))


def split(expression, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(expression), behavior, invert)


def raw_bytes():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def make_qwen2():
    tokenizer = train_bytes(700, pre_tokenizers.Sequence([split(QWEN2), raw_bytes()]))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True)
                                  for t in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")])
    dump(os.path.join(HERE, "qwen2", "tokenizer.json"), json.loads(tokenizer.to_str()))
    dump(os.path.join(HERE, "qwen2", "cases.json"), answers(tokenizer, TEXTS + random_texts(2, 150), True))


def make_byte_pipelines():
    base = train_bytes(800, raw_bytes())
    model = base.model
    pre = pre_tokenizers.Sequence
    ways = {
        "byte-prefix": pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True),
        "digits-single": pre([pre_tokenizers.Digits(individual_digits=True), raw_bytes()]),
        "digits-runs": pre([pre_tokenizers.Digits(individual_digits=False), raw_bytes()]),
        "punctuation": pre([pre_tokenizers.Punctuation("isolated"), raw_bytes()]),
        "whitespace": pre([pre_tokenizers.Whitespace(), raw_bytes()]),
        "whitespace-split": pre([pre_tokenizers.WhitespaceSplit(), raw_bytes()]),
        "merged-previous": pre([split(r"[\s,]+", "merged_with_previous"), raw_bytes()]),
        "merged-next": pre([split(r"[\s,]", "merged_with_next"), raw_bytes()]),
        "contiguous": pre([split(r"\s|\p{N}", "contiguous"), raw_bytes()]),
        "removed-inverted": pre([split(r"\w+|\d", "removed", True), raw_bytes()]),
        "after-bytes": pre([pre_tokenizers.ByteLevel(add_prefix_space=False), split("[0-9]{3}"),
                            pre_tokenizers.Punctuation("contiguous")]),
        "gpt-4o": pre([split(GPT4O), raw_bytes()]),
        "tekken": pre([split(TEKKEN), raw_bytes()]),
        "qwen35": pre([split(QWEN35), raw_bytes()]),
        "starcoder": pre([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]),
        "deepseek-v3": pre([split(e) for e in DEEPSEEK3] + [raw_bytes()]),
    }
    made = {}
    for name, way in ways.items():
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer = way
        if name.startswith("qwen"):
            tokenizer.normalizer = normalizers.NFC()
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_tokens([AddedToken("<strip>", lstrip=True, rstrip=True, normalized=False),
                              AddedToken("word", single_word=True, normalized=False)])
        tokenizer.add_special_tokens([AddedToken("<pad>", normalized=False, special=True)])
        tokenizer.post_processor = processors.TemplateProcessing(
            single="$A <pad>", special_tokens=[("<pad>", tokenizer.token_to_id("<pad>"))])
        made[name] = tokenizer
    save_pipelines(made, 100, True)


def make_character_pipelines():
    model = train_characters(200)
    metaspace = pre_tokenizers.Metaspace
    ways = {
        "metaspace-first": (metaspace("\u2581", "first", False), None),
        "metaspace-always": (metaspace("\u2581", "always", True), None),
        "metaspace-never": (metaspace("\u2581", "never", True), None),
        "prepend": (None, normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])),
        "replace-regex": (None, normalizers.Sequence([normalizers.Replace(Regex(r"\s+"), "\u2581"), normalizers.NFC()])),
    }
    made = {}
    for i, (name, (pre, normalizer)) in enumerate(sorted(ways.items())):
        tokenizer = model(unk_token="<unk>", fuse_unk=i % 2 == 0, byte_fallback=name != "metaspace-always",
                          ignore_merges=name == "prepend")
        if pre:
            tokenizer.pre_tokenizer = pre
            tokenizer.decoder = decoders.Sequence([
                decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
        else:
            tokenizer.normalizer = normalizer
            tokenizer.decoder = decoders.Sequence([
                decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(),
                decoders.Strip(" ", 1, 0)])
        tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True)
                                      for t in ("<unk>", "<s>", "</s>")])
        tokenizer.add_tokens([AddedToken("<strip>", lstrip=True, rstrip=True, normalized=False),
                              AddedToken("word", single_word=True, normalized=False)])
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
        made[name] = tokenizer
    save_pipelines(made, 200, False)


if __name__ == "__main__":
    make_qwen2()
    make_byte_pipelines()
    make_character_pipelines()
