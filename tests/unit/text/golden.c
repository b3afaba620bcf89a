/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* golden.c - every tokenizer of the shared data that this build supports, id for id against its
 * reference implementation (named in the meta.json beside each). */
#include "gguf_reader.h"

#include "base/utf8.h"

#define GOLDEN "golden/tokenizers/"

static kw_tokenizer *from_path(const char *path)
{
    kw_tokenizer *t;
    kw_error err;
    check_ok(kw_tokenizer_from_path(path, &t, &err), &err);
    return t;
}

static void join_ids(const int32_t *ids, size_t n, int32_t *out, size_t *n_out)
{
    memcpy(out + *n_out, ids, n * sizeof(*ids));
    *n_out += n;
}

/* Whether the text of a case is valid UTF-8: the file then has it in readable form too. */
static bool readable(const kw_tree *c)
{
    return kw_tree_get(c, "text") && kw_tree_get(c, "text")->kind == KW_JSON_STRING;
}

/* SentencePiece's own Llama 2: ids, ids with bos and eos, and the way back. */
static void test_llama2_spm(void **state)
{
    (void)state;
    char path[PATH_SIZE];
    kw_arena arena = {0};
    NEED_SHARED(GOLDEN "llama2-spm/llama2.tokenizer.model", path);
    kw_tokenizer *t = from_path(path);
    NEED_SHARED(GOLDEN "llama2-spm/cases.json", path);
    size_t n_cases = 0;
    for (const kw_tree *c = read_tree(path, &arena)->child; c; c = c->next, n_cases++) {
        const kw_str text = from_hex(kw_tree_text(c, "text_hex"), &arena);
        check_encode(t, "llama2-spm", text, 0, kw_tree_get(c, "ids"));
        size_t n, n_all = 0;
        int32_t *ids = ids_of(kw_tree_get(c, "ids"), &n, &arena), *all;
        const int32_t eos = kw_tokenizer_eos(t);
        all = kw_arena_array(&arena, n + 2, sizeof(*all));
        join_ids(&(int32_t){kw_tokenizer_bos(t)}, 1, all, &n_all);
        join_ids(ids, n, all, &n_all);
        join_ids(&eos, 1, all, &n_all);
        if (kw_tree_get(c, "ids_bos_eos"))
            check_ids("llama2-spm bos eos", text, all, n_all, kw_tree_get(c, "ids_bos_eos"));
        int32_t *got;
        kw_error err;
        check_ok(kw_tokenizer_encode(t, text, KW_ENCODE_SPECIAL, &got, &n, &err), &err);
        assert_int_equal(n, n_all - 1); /* Llama's own rule: bos, no eos */
        assert_memory_equal(got, all, n * sizeof(*got));
        free(got);
        if (readable(c))
            check_decode(t, "llama2-spm", ids, n_all - 2, false,
                         from_hex(kw_tree_text(c, "decoded_hex"), &arena));
    }
    assert_int_equal(n_cases, 106);
    NEED_SHARED(GOLDEN "llama2-spm/decode.json", path);
    n_cases = 0;
    for (const kw_tree *c = read_tree(path, &arena)->child; c; c = c->next, n_cases++) {
        size_t n;
        const int32_t *ids = ids_of(kw_tree_get(c, "ids"), &n, &arena);
        check_decode(t, "llama2-spm decode", ids, n, false,
                     from_hex(kw_tree_text(c, "decoded_hex"), &arena));
    }
    assert_int_equal(n_cases, 30);
    kw_tokenizer_free(t);
    kw_arena_free(&arena);
}

/* transformers' Llama 2: special tokens written in the text count, decoding keeps them. */
static void test_llama2_hf(void **state)
{
    (void)state;
    char path[PATH_SIZE];
    kw_arena arena = {0};
    NEED_SHARED(GOLDEN "llama2-spm/llama2.tokenizer.model", path);
    kw_tokenizer *t = from_path(path);
    NEED_SHARED(GOLDEN "llama2-hf/cases.json", path);
    size_t n_cases = 0;
    for (const kw_tree *c = read_tree(path, &arena)->child; c; c = c->next, n_cases++) {
        const kw_str text = from_hex(kw_tree_text(c, "text_hex"), &arena);
        check_encode(t, "llama2-hf", text, KW_ENCODE_SPECIAL | KW_ENCODE_PARSE,
                     kw_tree_get(c, "ids"));
        size_t n;
        const int32_t *ids = ids_of(kw_tree_get(c, "ids"), &n, &arena);
        check_decode(t, "llama2-hf", ids, n, true, kw_tree_text(c, "decoded"));
    }
    assert_int_equal(n_cases, 98);
    kw_tokenizer_free(t);
    kw_arena_free(&arena);
}

/* Cases with "ids" (plain text) and "decoded". */
static void check_plain(const kw_tokenizer *t, const char *name, size_t n_expected)
{
    char path[PATH_SIZE];
    kw_arena arena = {0};
    NEED_SHARED(name, path);
    size_t n_cases = 0;
    for (const kw_tree *c = read_tree(path, &arena)->child; c; c = c->next, n_cases++) {
        const kw_str text = from_hex(kw_tree_text(c, "text_hex"), &arena);
        check_encode(t, name, text, 0, kw_tree_get(c, "ids"));
        size_t n;
        const int32_t *ids = ids_of(kw_tree_get(c, "ids"), &n, &arena);
        check_decode(t, name, ids, n, false, kw_tree_text(c, "decoded"));
    }
    assert_int_equal(n_cases, n_expected);
    kw_arena_free(&arena);
}

static void check_decodes(const kw_tokenizer *t, const char *name, size_t n_expected)
{
    char path[PATH_SIZE];
    kw_arena arena = {0};
    NEED_SHARED(name, path);
    size_t n_cases = 0;
    for (const kw_tree *c = read_tree(path, &arena)->child; c; c = c->next, n_cases++) {
        size_t n;
        const int32_t *ids = ids_of(kw_tree_get(c, "ids"), &n, &arena);
        check_decode(t, name, ids, n, true, kw_tree_text(c, "decoded"));
    }
    assert_int_equal(n_cases, n_expected);
    kw_arena_free(&arena);
}

static void test_llama3(void **state)
{
    (void)state;
    char path[PATH_SIZE];
    kw_arena arena = {0};
    NEED_SHARED(GOLDEN "llama3/tokenizer.model", path);
    kw_tokenizer *t = from_path(path);
    check_plain(t, GOLDEN "llama3/cases.json", 98);
    NEED_SHARED(GOLDEN "llama3/special.json", path);
    size_t n_special = 0;
    for (const kw_tree *s = read_tree(path, &arena)->child; s; s = s->next, n_special++) {
        assert_int_equal(kw_tokenizer_find(t, s->key), s->integer);
        assert_int_equal(kw_tokenizer_kind(t, (int32_t)s->integer), KW_TOKEN_CONTROL);
        int32_t *ids;
        size_t n;
        check_ok(kw_tokenizer_encode(t, s->key, KW_ENCODE_PARSE, &ids, &n, NULL), NULL);
        assert_int_equal(n, 1);
        assert_int_equal(ids[0], s->integer);
        free(ids);
    }
    assert_int_equal(n_special, 256);
    assert_int_equal(kw_tokenizer_bos(t), 128000);
    assert_int_equal(kw_tokenizer_eos(t), 128001);
    assert_true(kw_tokenizer_is_end(t, 128001));
    assert_true(kw_tokenizer_is_end(t, 128009));
    assert_false(kw_tokenizer_is_end(t, 128006));
    kw_tokenizer_free(t);
    kw_arena_free(&arena);
}

/* OpenAI's encoder.json and vocab.bpe; whisper's English vocabulary is the same. */
static void test_gpt2(void **state)
{
    (void)state;
    char path[PATH_SIZE];
    NEED_SHARED(GOLDEN "gpt2/encoder.json", path);
    kw_tokenizer *t = from_path(path);
    check_plain(t, GOLDEN "gpt2/cases.json", 98);
    check_plain(t, GOLDEN "whisper-gpt2/cases.json", 98);
    check_decodes(t, GOLDEN "whisper-gpt2/decode.json", 30);
    kw_tokenizer_free(t);
}

/* A tiktoken file whose specials this build does not know: ordinary text all the same. */
static void test_whisper_multilingual(void **state)
{
    (void)state;
    char path[PATH_SIZE];
    kw_arena arena = {0};
    kw_vocab vocab;
    kw_tokenizer *t;
    kw_error err;
    NEED_SHARED(GOLDEN "whisper-multilingual/multilingual.tiktoken", path);
    const kw_str text = read_file(path);
    check_ok(kw_vocab_from_tiktoken(text, "multilingual.tiktoken", &arena, &vocab, &err), &err);
    vocab.pre = KW_PRE_GPT2;
    check_ok(kw_tokenizer_create(&vocab, &t, &err), &err);
    check_plain(t, GOLDEN "whisper-multilingual/cases.json", 98);
    check_decodes(t, GOLDEN "whisper-multilingual/decode.json", 30);
    kw_tokenizer_free(t);
    kw_arena_free(&arena);
    free_text(text);
}

/* A folder with tokenizer.json and cases.json written by the Hugging Face library. decoded: what it
 * gives when it leaves out special tokens; `quirk`: it fails to (version 0.23 keeps a special token
 * whose normalised text differs from its own), and only the other decoding is compared. */
static void check_hf(const char *name, bool shared, size_t n_expected, bool quirk)
{
    char path[PATH_SIZE], file[PATH_SIZE];
    kw_arena arena = {0};
    snprintf(file, sizeof(file), "%s/tokenizer.json", name);
    if (shared)
        NEED_SHARED(file, path);
    else
        source_path(file, path);
    kw_tokenizer *t = from_path(path);
    snprintf(file, sizeof(file), "%s/cases.json", name);
    if (shared)
        NEED_SHARED(file, path);
    else
        source_path(file, path);
    size_t n_cases = 0;
    for (const kw_tree *c = read_tree(path, &arena)->child; c; c = c->next, n_cases++) {
        const kw_str text = from_hex(kw_tree_text(c, "text_hex"), &arena);
        const kw_tree *expected = kw_tree_get(c, "ids");
        check_encode(t, name, text, KW_ENCODE_SPECIAL | KW_ENCODE_PARSE, expected);
        if (kw_tree_get(c, "ids_nospecial"))
            check_encode(t, name, text, KW_ENCODE_PARSE, kw_tree_get(c, "ids_nospecial"));
        size_t n;
        const int32_t *ids = ids_of(expected, &n, &arena);
        check_decode(t, name, ids, n, true, kw_tree_text(c, "decoded_keep"));
        if (!quirk && kw_tree_get(c, "decoded"))
            check_decode(t, name, ids, n, false, kw_tree_text(c, "decoded"));
    }
    assert_int_equal(n_cases, n_expected);
    kw_tokenizer_free(t);
    kw_arena_free(&arena);
}

static void test_hf_gpt2(void **state)
{
    (void)state;
    check_hf(GOLDEN "tokenizer-json/gpt2-bytelevel", true, 104, false);
}

static void test_hf_llama2(void **state)
{
    (void)state;
    check_hf(GOLDEN "tokenizer-json/llama2-style", true, 104, true);
}

static void test_hf_llama3(void **state)
{
    (void)state;
    check_hf(GOLDEN "tokenizer-json/llama3-style", true, 104, false);
}

static void test_hf_gemma(void **state)
{
    (void)state;
    check_hf(GOLDEN "tokenizer-json/gemma-style", true, 104, false);
}

static void test_hf_falcon(void **state)
{
    (void)state;
    check_hf(GOLDEN "tokenizer-json/falcon-style", true, 104, false);
}

/* Ours, with Qwen 2's published pipeline, by the same library
 * (tests/golden/tokenizers/make_qwen2.py). */
static void test_hf_qwen2(void **state)
{
    (void)state;
    check_hf("tests/golden/tokenizers/qwen2", false, 220, false);
}

/* The steps that GGUF's name for a way to cut text stands for, instead of those of a
 * tokenizer.json. */
static void take_ggml_steps(const char *name, kw_arena *arena, kw_vocab *vocab)
{
    kw_ggml_vocab raw;
    kw_vocab named;
    kw_error err;
    bool unknown_way;
    kw_ggml_vocab_init(&raw);
    raw.model = KW_STR("gpt2");
    raw.pre = kw_str_from(name);
    raw.n_tokens = vocab->n_tokens;
    raw.tokens = vocab->tokens;
    raw.merges = vocab->tokens; /* there must be some; they are not looked at here */
    check_ok(kw_vocab_from_ggml(&raw, arena, &named, &unknown_way, &err), &err);
    assert_false(unknown_way);
    vocab->pre = named.pre;
    vocab->custom_steps = named.custom_steps;
    vocab->normalizers = named.normalizers;
    vocab->n_normalizers = named.n_normalizers;
    vocab->splitters = named.splitters;
    vocab->n_splitters = named.n_splitters;
}

/* Ours, a file for each step and option that this build reads: a tokenizer.json with its cases as
 * one more key, and without a model where it is the one in model.json. */
static void check_pipeline(const char *name, kw_str model, bool by_ggml_name)
{
    char path[PATH_SIZE], file[PATH_SIZE];
    kw_arena arena = {0};
    kw_vocab vocab;
    kw_tokenizer *t;
    kw_error err;
    snprintf(file, sizeof(file), "tests/golden/tokenizers/pipelines/%s.json", name);
    source_path(file, path);
    const kw_str text = read_file(path);
    const kw_tree *tree = read_tree(path, &arena);
    char *whole = kw_arena_alloc(&arena, text.len + model.len + 32);
    assert_non_null(whole);
    const int n = kw_tree_get(tree, "model")
                      ? sprintf(whole, "%s", text.data)
                      : sprintf(whole, "{\"model\":%s,%s", model.data, text.data + 1);
    check_ok(kw_vocab_from_json((kw_str){whole, (size_t)n}, name, &arena, &vocab, &err), &err);
    if (by_ggml_name)
        take_ggml_steps(name, &arena, &vocab);
    check_ok(kw_tokenizer_create(&vocab, &t, &err), &err);
    size_t n_cases = 0;
    for (const kw_tree *c = kw_tree_get(tree, "cases")->child; c; c = c->next, n_cases++) {
        const kw_tree *expected = kw_tree_get(c, "ids");
        check_encode(t, name, from_hex(kw_tree_text(c, "text_hex"), &arena),
                     KW_ENCODE_SPECIAL | KW_ENCODE_PARSE, expected);
        size_t n_ids;
        const int32_t *ids = ids_of(expected, &n_ids, &arena);
        check_decode(t, name, ids, n_ids, true, kw_tree_text(c, "decoded_keep"));
    }
    assert_int_equal(n_cases, 47);
    kw_tokenizer_free(t);
    kw_arena_free(&arena);
    free_text(text);
}

static void test_hf_pipelines(void **state)
{
    (void)state;
    static const char *const names[] = {"after-bytes",      "byte-prefix",     "contiguous",
                                        "deepseek-v3",      "digits-runs",     "digits-single",
                                        "gpt-4o",           "merged-next",     "merged-previous",
                                        "metaspace-first",  "metaspace-never", "metaspace-always",
                                        "prepend",          "punctuation",     "replace-regex",
                                        "removed-inverted", "whitespace",      "whitespace-split",
                                        "tekken",           "qwen35",          "starcoder"};
    static const char *const ggml_names[] = {"deepseek-v3", "gpt-4o", "tekken", "qwen35",
                                             "starcoder"};
    char path[PATH_SIZE];
    source_path("tests/golden/tokenizers/pipelines/model.json", path);
    const kw_str model = read_file(path);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        check_pipeline(names[i], model, false);
    for (size_t i = 0; i < sizeof(ggml_names) / sizeof(ggml_names[0]); i++)
        check_pipeline(ggml_names[i], model, true);
    free_text(model);
}

static void test_hf_clip(void **state)
{
    (void)state;
    check_hf(GOLDEN "tokenizer-json/clip-style", true, 104, false);
}

static void test_hf_bert(void **state)
{
    (void)state;
    check_hf(GOLDEN "tokenizer-json/bert-wordpiece", true, 104, false);
}

static void test_hf_t5(void **state)
{
    (void)state;
    check_hf(GOLDEN "tokenizer-json/t5-unigram", true, 104, false);
}

/* SentencePiece's own unigram models: ids, and the way back, also of ids in any order. */
static void check_unigram(const char *folder, const char *model)
{
    char path[PATH_SIZE], file[PATH_SIZE];
    kw_arena arena = {0};
    snprintf(file, sizeof(file), GOLDEN "%s/%s", folder, model);
    NEED_SHARED(file, path);
    kw_tokenizer *t = from_path(path);
    snprintf(file, sizeof(file), GOLDEN "%s/cases.json", folder);
    NEED_SHARED(file, path);
    size_t n_cases = 0, n_decoded = 0, n;
    for (const kw_tree *c = read_tree(path, &arena)->child; c; c = c->next, n_cases++) {
        const kw_str text = from_hex(kw_tree_text(c, "text_hex"), &arena);
        check_encode(t, folder, text, 0, kw_tree_get(c, "ids"));
        const int32_t *ids = ids_of(kw_tree_get(c, "ids"), &n, &arena);
        if (kw_tree_get(c, "decoded_hex")) /* the reference has none for invalid UTF-8 */
            check_decode(t, folder, ids, n, false,
                         from_hex(kw_tree_text(c, "decoded_hex"), &arena));
        n_decoded += kw_tree_get(c, "decoded_hex") != NULL;
    }
    assert_int_equal(n_decoded, 98);
    assert_int_equal(n_cases, 106);
    snprintf(file, sizeof(file), GOLDEN "%s/decode.json", folder);
    NEED_SHARED(file, path);
    n_cases = 0;
    for (const kw_tree *c = read_tree(path, &arena)->child; c; c = c->next, n_cases++) {
        const int32_t *ids = ids_of(kw_tree_get(c, "ids"), &n, &arena);
        check_decode(t, folder, ids, n, false, from_hex(kw_tree_text(c, "decoded_hex"), &arena));
    }
    assert_int_equal(n_cases, 30);
    kw_tokenizer_free(t);
    kw_arena_free(&arena);
}

static void test_t5_unigram(void **state)
{
    (void)state;
    check_unigram("t5-unigram", "t5.spiece.model");
}

static void test_unigram_bytefallback(void **state)
{
    (void)state;
    check_unigram("unigram-bytefallback", "spm_bytefallback.model");
}

/* Appends the text of ids[0, n), or a token's spelling. */
static size_t put_text(const kw_tokenizer *t, const int32_t *ids, size_t n, char *out)
{
    char *text;
    size_t len;
    kw_error err;
    check_ok(kw_tokenizer_decode(t, ids, n, false, &text, &len, &err), &err);
    memcpy(out, text, len);
    free(text);
    return len;
}

static size_t put_piece(const kw_tokenizer *t, int32_t id, char *out)
{
    const kw_str piece = kw_tokenizer_piece(t, id);
    memcpy(out, piece.data, piece.len);
    return piece.len;
}

/* What transformers' T5Tokenizer writes around the special tokens that it keeps: a space between
 * a sentinel and what is beside it, and before each text that another special token ends. */
static size_t t5_decoded(const kw_tokenizer *t, const int32_t *ids, size_t n, char *out)
{
    size_t len = 0, start = 0, at = 0; /* of the part between sentinels; of the text in it */
    bool special = false;
    for (size_t i = 0; i <= n; i++) {
        const bool sentinel = i < n && ids[i] >= 32000;
        if (i < n && !sentinel && ids[i] > 2) {
            special = false;
            continue;
        }
        if (i < n && !sentinel && !special)
            out[len++] = ' ';
        len += put_text(t, ids + at, i - at, out + len);
        at = i + 1;
        if (i < n && !sentinel)
            len += put_piece(t, ids[i], out + len);
        special = i < n && !sentinel;
        if (special)
            continue;
        while (len > start && out[len - 1] == ' ')
            len--;
        while (len > start && out[start] == ' ')
            memmove(out + start, out + start + 1, --len - start);
        if (sentinel) {
            if (len > start)
                out[len++] = ' ';
            len += put_piece(t, ids[i], out + len);
            out[len++] = ' ';
            start = len;
        }
    }
    return kw_surface_clean(out, len);
}

/* transformers' T5, the current way and the one before: sentinels, </s> after the text. */
static void test_t5_hf(void **state)
{
    (void)state;
    static const char *const configs[] = {
        "{\"tokenizer_class\":\"T5Tokenizer\",\"legacy\":false,"
        "\"clean_up_tokenization_spaces\":true}",
        "{\"tokenizer_class\":\"T5Tokenizer\",\"legacy\":true,\"extra_ids\":100,"
        "\"clean_up_tokenization_spaces\":true}"};
    static const char *const keys[] = {"ids", "ids_legacy"};
    char path[PATH_SIZE];
    NEED_SHARED(GOLDEN "t5-unigram/t5.spiece.model", path);
    const kw_str model = read_file(path);
    NEED_SHARED(GOLDEN "t5-hf/cases.json", path);
    for (size_t i = 0; i < 2; i++) {
        kw_arena arena = {0};
        kw_vocab vocab;
        kw_tokenizer *t;
        kw_error err;
        check_ok(kw_vocab_from_sentencepiece(model, "t5", &arena, &vocab, &err), &err);
        check_ok(kw_vocab_apply_config(kw_str_from(configs[i]), "config", &arena, &vocab, &err),
                 &err);
        check_ok(kw_tokenizer_create(&vocab, &t, &err), &err);
        assert_int_equal(kw_tokenizer_size(t), 32100);
        size_t n_cases = 0, n;
        for (const kw_tree *c = read_tree(path, &arena)->child; c; c = c->next, n_cases++) {
            const kw_str text = from_hex(kw_tree_text(c, "text_hex"), &arena);
            check_encode(t, "t5-hf", text, KW_ENCODE_SPECIAL | KW_ENCODE_PARSE,
                         kw_tree_get(c, keys[i]));
            const int32_t *ids = ids_of(kw_tree_get(c, "ids"), &n, &arena);
            static char got[1 << 16];
            const kw_str decoded = {got, t5_decoded(t, ids, n, got)};
            const kw_str expected = kw_tree_text(c, "decoded");
            if (!kw_str_eq(decoded, expected))
                print_error("t5-hf: \"%.*s\", expected \"%.*s\"\n", KW_FMT(decoded),
                            KW_FMT(expected));
            assert_true(kw_str_eq(decoded, expected));
        }
        assert_int_equal(n_cases, 101);
        kw_tokenizer_free(t);
        kw_arena_free(&arena);
    }
    free_text(model);
}

/* Appends a token's JSON and its id. */
static size_t put_entry(char *out, const char *text, size_t len, const char *end, int id)
{
    size_t n = (size_t)sprintf(out, "%s\"", id ? "," : "{");
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"' || text[i] == '\\')
            out[n++] = '\\';
        out[n++] = text[i];
    }
    return n + (size_t)sprintf(out + n, "%s\":%d", end, id);
}

/* vocab.json and merges.txt of CLIP, from the one list of merges that its authors publish. */
static void clip_files(const char *list, size_t len, char *vocab, char *merges)
{
    enum { N_MERGES = 48894 };
    size_t n = 0, n_merges = 0, id = 0;
    static const int starts[][2] = {{0x21, 0x7E}, {0xA1, 0xAC}, {0xAE, 0xFF}, {0x100, 0x143}};
    for (int end = 0; end < 2; end++)
        for (size_t i = 0; i < 4; i++)
            for (int c = starts[i][0]; c <= starts[i][1]; c++) {
                char utf8[4];
                const size_t width = kw_utf8_encode((uint32_t)c, utf8);
                n += put_entry(vocab + n, utf8, width, end ? "</w>" : "", (int)id++);
            }
    const char *at = memchr(list, '\n', len);
    assert_non_null(at);
    at++;
    for (size_t i = 0; i < N_MERGES; i++) {
        const char *stop = strchr(at, '\n'), *space = strchr(at, ' ');
        char joined[512];
        assert_true(stop && space && space < stop && stop - at < 500);
        memcpy(merges + n_merges, at, (size_t)(stop + 1 - at));
        n_merges += (size_t)(stop + 1 - at);
        memcpy(joined, at, (size_t)(space - at));
        memcpy(joined + (space - at), space + 1, (size_t)(stop - space - 1));
        n += put_entry(vocab + n, joined, (size_t)(stop - at - 1), "", (int)id++);
        at = stop + 1;
    }
    n += put_entry(vocab + n, "<|startoftext|>", 15, "", (int)id++);
    n += put_entry(vocab + n, "<|endoftext|>", 13, "", (int)id++);
    strcpy(vocab + n, "}");
    merges[n_merges] = 0;
    assert_int_equal(id, 49408);
}

/* OpenAI's CLIP: ids as a tokenizer.json has them (no repair of broken HTML), and the way back. */
static void test_clip(void **state)
{
    (void)state;
    enum { ROOM = 4 << 20 };
    char path[PATH_SIZE], command[PATH_SIZE + 16];
    kw_arena arena = {0};
    kw_vocab v;
    kw_tokenizer *t;
    kw_error err;
    char *list = calloc(3, ROOM);
    assert_non_null(list);
    NEED_SHARED(GOLDEN "clip/bpe_simple_vocab_16e6.txt.gz", path);
    (void)snprintf(command, sizeof(command), "gzip -dc %s", path);
    FILE *pipe = popen(command, "r");
    const size_t len = pipe ? fread(list, 1, ROOM - 1, pipe) : 0;
    if (!pipe || pclose(pipe) != 0 || len == 0) {
        print_message("skipped: gzip is not there\n");
        free(list);
        skip();
    }
    clip_files(list, len, list + ROOM, list + 2 * (size_t)ROOM);
    check_ok(kw_vocab_from_merges(kw_str_from(list + ROOM), kw_str_from(list + 2 * (size_t)ROOM),
                                  "clip", &arena, &v, &err),
             &err);
    check_ok(kw_tokenizer_create(&v, &t, &err), &err);
    NEED_SHARED(GOLDEN "clip/cases.json", path);
    size_t n_cases = 0, n;
    for (const kw_tree *c = read_tree(path, &arena)->child; c; c = c->next, n_cases++) {
        const kw_str text = from_hex(kw_tree_text(c, "text_hex"), &arena);
        check_encode(t, "clip", text, KW_ENCODE_PARSE, kw_tree_get(c, "ids_nfc"));
        const int32_t *ids = ids_of(kw_tree_get(c, "ids"), &n, &arena);
        check_decode(t, "clip", ids, n, true, kw_tree_text(c, "decoded"));
    }
    assert_int_equal(n_cases, 98);
    int32_t *ids;
    check_ok(kw_tokenizer_encode(t, KW_STR("a"), KW_ENCODE_SPECIAL, &ids, &n, &err), &err);
    assert_true(n == 3 && ids[0] == 49406 && ids[1] == 320 && ids[2] == 49407);
    free(ids);
    kw_tokenizer_free(t);
    kw_arena_free(&arena);
    free(list);
}

/* Whisper's English vocabulary is GPT-2's. */
static void test_whisper_gpt2(void **state)
{
    (void)state;
    char path[PATH_SIZE];
    NEED_SHARED(GOLDEN "gpt2/encoder.json", path);
    kw_tokenizer *t = from_path(path);
    check_plain(t, GOLDEN "whisper-gpt2/cases.json", 98);
    check_decodes(t, GOLDEN "whisper-gpt2/decode.json", 30);
    kw_tokenizer_free(t);
}

/* Whisper's special tokens, as added_tokens.json lists them beside vocab.json. */
static void test_whisper_specials(void **state)
{
    (void)state;
    static const struct {
        const char *vocab, *specials;
    } list[] = {{GOLDEN "whisper-multilingual/multilingual.tiktoken",
                 GOLDEN "whisper-multilingual/special.json"},
                {GOLDEN "gpt2/encoder.json", GOLDEN "whisper-gpt2/special.json"}};
    for (size_t i = 0; i < 2; i++) {
        char path[PATH_SIZE];
        kw_arena arena = {0};
        kw_vocab vocab;
        kw_tokenizer *t;
        kw_error err;
        kw_str merges = KW_STR("");
        if (i == 1) {
            NEED_SHARED(GOLDEN "gpt2/vocab.bpe", path);
            merges = read_file(path);
        }
        NEED_SHARED(list[i].vocab, path);
        const kw_str text = read_file(path);
        if (i == 1)
            check_ok(kw_vocab_from_merges(text, merges, "gpt2", &arena, &vocab, &err), &err);
        else
            check_ok(kw_vocab_from_tiktoken(text, "multilingual", &arena, &vocab, &err), &err);
        NEED_SHARED(list[i].specials, path);
        const kw_str all = read_file(path);
        const kw_tree *specials = kw_tree_get(read_tree(path, &arena), "special_tokens");
        const char *start = strstr(all.data, "\"special_tokens\":");
        assert_non_null(start);
        start = strchr(start, '{');
        const kw_str object = {start, (size_t)(strchr(start, '}') + 1 - start)};
        check_ok(kw_vocab_apply_added(object, "added_tokens.json", &arena, &vocab, &err), &err);
        check_ok(kw_tokenizer_create(&vocab, &t, &err), &err);
        size_t n_specials = 0;
        for (const kw_tree *s = specials->child; s; s = s->next, n_specials++) {
            int32_t *ids;
            size_t n;
            check_ok(kw_tokenizer_encode(t, s->key, KW_ENCODE_PARSE, &ids, &n, &err), &err);
            assert_int_equal(n, 1);
            assert_int_equal(ids[0], s->integer);
            assert_int_equal(kw_tokenizer_kind(t, ids[0]), KW_TOKEN_CONTROL);
            free(ids);
        }
        assert_true(n_specials > 1500);
        kw_tokenizer_free(t);
        kw_arena_free(&arena);
        free_text(text);
        free_text(all);
        if (i == 1)
            free_text(merges);
    }
}

/* BERT's vocab.txt against transformers' own BertTokenizer. */
static void test_bert(void **state)
{
    (void)state;
    char path[PATH_SIZE];
    kw_arena arena = {0};
    NEED_SHARED(GOLDEN "bert-uncased/vocab.txt", path);
    kw_tokenizer *t = from_path(path);
    NEED_SHARED(GOLDEN "bert-uncased/cases.json", path);
    size_t n_cases = 0, n;
    for (const kw_tree *c = read_tree(path, &arena)->child; c; c = c->next, n_cases++) {
        const kw_str text = from_hex(kw_tree_text(c, "text_hex"), &arena);
        check_encode(t, "bert", text, KW_ENCODE_SPECIAL | KW_ENCODE_PARSE, kw_tree_get(c, "ids"));
        const int32_t *ids = ids_of(kw_tree_get(c, "ids"), &n, &arena);
        check_decode(t, "bert", ids, n, true, kw_tree_text(c, "decoded"));
    }
    assert_int_equal(n_cases, 98);
    kw_tokenizer_free(t);
    kw_arena_free(&arena);
}

/* Upstream's pairs of files: texts apart by a marker line, ids a line each. */
static void check_inp_out(const kw_tokenizer *t, const char *name)
{
    static const char marker[] = "\n__ggml_vocab_test__\n";
    char path[PATH_SIZE], file[PATH_SIZE];
    snprintf(file, sizeof(file), GOLDEN "ggml-vocab/%s.inp", name);
    NEED_SHARED(file, path);
    const kw_str input = read_file(path);
    snprintf(file, sizeof(file), GOLDEN "ggml-vocab/%s.out", name);
    NEED_SHARED(file, path);
    const kw_str output = read_file(path);
    const char *at = input.data, *line = output.data;
    size_t n_cases = 0;
    for (const char *end; (end = strstr(at, marker)) != NULL; at = end + sizeof(marker) - 1) {
        const kw_str text = {at, (size_t)(end - at)};
        int32_t *ids;
        size_t n, i = 0;
        kw_error err;
        check_ok(kw_tokenizer_encode(t, text, 0, &ids, &n, &err), &err);
        const char *stop = strchr(line, '\n');
        assert_non_null(stop);
        for (char *next; line < stop; line = next, i++) {
            const long id = strtol(line, &next, 10);
            if (next == line || next > stop)
                break;
            if (i >= n || ids[i] != id)
                print_error("%s: case %zu \"%.*s\": id %zu is %d, expected %ld\n", name, n_cases,
                            KW_FMT(text), i, i < n ? ids[i] : -1, id);
            assert_true(i < n && ids[i] == id);
        }
        assert_int_equal(i, n);
        line = stop + 1;
        free(ids);
        n_cases++;
    }
    assert_int_equal(n_cases, 46);
    free_text(input);
    free_text(output);
}

static void test_ggml_llama(void **state)
{
    (void)state;
    char path[PATH_SIZE];
    bool unknown_way;
    kw_arena arena = {0};
    NEED_SHARED(GOLDEN "ggml-vocab/ggml-vocab-llama-spm.gguf", path);
    kw_tokenizer *t = gguf_tokenizer(path, &unknown_way);
    assert_false(unknown_way);
    check_inp_out(t, "ggml-vocab-llama-spm.gguf");
    NEED_SHARED(GOLDEN "ggml-vocab/llama-spm.llama_cpp_cases.json", path);
    for (const kw_tree *c = read_tree(path, &arena)->child; c; c = c->next)
        check_encode(t, "llama-spm", from_hex(kw_tree_text(c, "text_hex"), &arena), 0,
                     kw_tree_get(c, "ids"));
    kw_tokenizer_free(t);
    kw_arena_free(&arena);
}

static void test_ggml_gpt2(void **state)
{
    (void)state;
    char path[PATH_SIZE];
    NEED_SHARED(GOLDEN "gpt2/encoder.json", path); /* the vocabulary that the pair was made with */
    kw_tokenizer *t = from_path(path);
    check_inp_out(t, "ggml-vocab-gpt-2.gguf");
    kw_tokenizer_free(t);
}

static void test_ggml_falcon(void **state)
{
    (void)state;
    char path[PATH_SIZE];
    bool unknown_way;
    NEED_SHARED(GOLDEN "ggml-vocab/ggml-vocab-falcon.gguf", path);
    kw_tokenizer *t = gguf_tokenizer(path, &unknown_way);
    assert_false(unknown_way);
    check_inp_out(t, "ggml-vocab-falcon.gguf");
    kw_tokenizer_free(t);
}

static void test_gguf_small(void **state)
{
    (void)state;
    char path[PATH_SIZE];
    bool unknown_way;
    kw_arena arena = {0};
    NEED_SHARED("golden/gguf/f32-small/model.gguf", path);
    kw_tokenizer *t = gguf_tokenizer(path, &unknown_way);
    NEED_SHARED("golden/gguf/f32-small/tokenize.json", path);
    size_t n_cases = 0;
    for (const kw_tree *c = read_tree(path, &arena)->child; c; c = c->next, n_cases++)
        check_encode(t, "f32-small", from_hex(kw_tree_text(c, "text_hex"), &arena),
                     KW_ENCODE_SPECIAL, kw_tree_get(c, "ids_bos"));
    assert_true(n_cases >= 15);
    kw_tokenizer_free(t);
    kw_arena_free(&arena);
}

/* The greedy story recorded beside the weights, and back through its text. */
static void test_stories260k(void **state)
{
    (void)state;
    static const int32_t story[] = {403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421,
                                    395, 317, 426, 338, 401, 396, 267, 337, 410, 408, 419, 292};
    static const char text[] =
        "Once upon a time, there was a little girl named Lily. She loved to play outsid";
    char path[PATH_SIZE];
    bool unknown_way;
    kw_error err;
    NEED_SHARED("weights/stories260K/stories260K.gguf", path);
    kw_tokenizer *t = gguf_tokenizer(path, &unknown_way);
    const size_t n_story = sizeof(story) / sizeof(story[0]);
    int32_t *ids;
    size_t n;
    check_ok(kw_tokenizer_encode(t, KW_STR("Once upon a time, there was a little girl named Lily."),
                                 0, &ids, &n, &err),
             &err);
    assert_true(n <= n_story);
    assert_memory_equal(ids, story, n * sizeof(*ids));
    free(ids);
    check_decode(t, "stories260K", story, n_story, false, kw_str_from(text));
    kw_tokenizer_free(t);
}

static void test_tinystories656k(void **state)
{
    (void)state;
    /* The greedy ids recorded beside the weights. */
    static const int32_t story[] = {147,  201, 282, 215,  286, 598, 1662, 356, 499, 826, 1363, 1145,
                                    1652, 615, 242, 1482, 951, 628, 499,  826, 872, 921, 318,  385};
    char path[PATH_SIZE];
    NEED_SHARED("weights/tinystories656K/tokenizer.json", path);
    kw_tokenizer *t = from_path(path);
    assert_int_equal(kw_tokenizer_size(t), 2048);
    assert_int_equal(kw_tokenizer_bos(t), 1); /* from tokenizer_config.json beside it */
    assert_int_equal(kw_tokenizer_eos(t), 2);
    const size_t n_story = sizeof(story) / sizeof(story[0]);
    char *text;
    size_t len;
    kw_error err;
    check_ok(kw_tokenizer_decode(t, story, n_story, false, &text, &len, &err), &err);
    assert_memory_equal(text, "Once upon a time, there was a little girl named Lily. She had", 61);
    int32_t *ids;
    size_t n;
    check_ok(kw_tokenizer_encode(t, (kw_str){text, len}, KW_ENCODE_SPECIAL, &ids, &n, &err), &err);
    assert_true(n > 1 && ids[0] == 1);
    char *again;
    size_t len_again;
    check_ok(kw_tokenizer_decode(t, ids, n, false, &again, &len_again, &err), &err);
    assert_string_equal(text, again);
    free(ids);
    free(text);
    free(again);
    kw_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llama2_spm),
        cmocka_unit_test(test_llama2_hf),
        cmocka_unit_test(test_llama3),
        cmocka_unit_test(test_gpt2),
        cmocka_unit_test(test_whisper_multilingual),
        cmocka_unit_test(test_hf_gpt2),
        cmocka_unit_test(test_hf_llama2),
        cmocka_unit_test(test_hf_llama3),
        cmocka_unit_test(test_hf_gemma),
        cmocka_unit_test(test_hf_falcon),
        cmocka_unit_test(test_hf_clip),
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_whisper_gpt2),
        cmocka_unit_test(test_whisper_specials),
        cmocka_unit_test(test_hf_bert),
        cmocka_unit_test(test_hf_t5),
        cmocka_unit_test(test_t5_unigram),
        cmocka_unit_test(test_unigram_bytefallback),
        cmocka_unit_test(test_t5_hf),
        cmocka_unit_test(test_bert),
        cmocka_unit_test(test_hf_qwen2),
        cmocka_unit_test(test_hf_pipelines),
        cmocka_unit_test(test_ggml_llama),
        cmocka_unit_test(test_ggml_gpt2),
        cmocka_unit_test(test_ggml_falcon),
        cmocka_unit_test(test_gguf_small),
        cmocka_unit_test(test_stories260k),
        cmocka_unit_test(test_tinystories656k),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
