/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fixtures.c - small tokenizers of every kind of model, normalizer and decoder, and models of
 * SentencePiece: what the libraries that define them answer (tests/golden/tokenizers/
 * make_models.py). And vocabularies to GGUF and back. */
#include "golden.h"

#include "text/vocab_rules.h"

#define FOLDER "tests/golden/tokenizers/"
#define GOLDEN "golden/tokenizers/"

/* A tokenizer.json with its cases as one more key. */
static void check_model(const char *name)
{
    char path[PATH_SIZE], file[PATH_SIZE];
    kw_arena arena = {0};
    kw_tokenizer *t;
    kw_error err;
    snprintf(file, sizeof(file), FOLDER "models/%s.json", name);
    source_path(file, path);
    check_ok(kw_tokenizer_from_path(path, &t, &err), &err);
    size_t n_cases = 0, n;
    for (const kw_tree *c = kw_tree_get(read_tree(path, &arena), "cases")->child; c;
         c = c->next, n_cases++) {
        check_encode(t, name, from_hex(kw_tree_text(c, "text_hex"), &arena),
                     KW_ENCODE_SPECIAL | KW_ENCODE_PARSE, kw_tree_get(c, "ids"));
        const int32_t *ids = ids_of(kw_tree_get(c, "ids"), &n, &arena);
        check_decode(t, name, ids, n, true, kw_tree_text(c, "decoded_keep"));
    }
    assert_true(n_cases >= 33);
    kw_tokenizer_free(t);
    kw_arena_free(&arena);
}

static void test_models(void **state)
{
    (void)state;
    static const char *const names[] = {
        "bytes-normalizer",  "bytes-normalizer-cut", "ctc",
        "ctc-plain",         "fixed-length",         "scripts",
        "bpe-edits",         "bpe-suffix",           "bpe-prefix",
        "bpe-prefix-suffix", "bpe-prefix-fallback",  "bpe-prefix-bytes",
        "unigram-nmt",       "unigram-precompiled",  "unigram-strip",
        "wordlevel",         "wordpiece-accents",    "wordpiece-cased",
        "wordpiece-plain"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        check_model(names[i]);
}

static void test_sentencepiece(void **state)
{
    (void)state;
    static const char *const names[] = {"bpe-map", "unigram-bytes", "unigram-spaces",
                                        "unigram-user"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[PATH_SIZE], file[PATH_SIZE];
        kw_arena arena = {0};
        kw_tokenizer *t;
        kw_error err;
        snprintf(file, sizeof(file), FOLDER "sentencepiece/%s.model", names[i]);
        source_path(file, path);
        check_ok(kw_tokenizer_from_path(path, &t, &err), &err);
        snprintf(file, sizeof(file), FOLDER "sentencepiece/%s.json", names[i]);
        source_path(file, path);
        size_t n_cases = 0, n;
        for (const kw_tree *c = read_tree(path, &arena)->child; c; c = c->next, n_cases++) {
            check_encode(t, names[i], from_hex(kw_tree_text(c, "text_hex"), &arena), 0,
                         kw_tree_get(c, "ids"));
            const int32_t *ids = ids_of(kw_tree_get(c, "ids"), &n, &arena);
            if (kw_tree_get(c, "decoded_hex")) /* the reference has none for broken text */
                check_decode(t, names[i], ids, n, false,
                             from_hex(kw_tree_text(c, "decoded_hex"), &arena));
        }
        assert_int_equal(n_cases, 58);
        kw_tokenizer_free(t);
        kw_arena_free(&arena);
    }
}

/* What kw_vocab_to_ggml writes gives the same ids as what it was given. */
static kw_status through_ggml(void *user, const kw_vocab *vocab, kw_error *err)
{
    kw_tokenizer **both = user;
    kw_arena arena = {0};
    kw_ggml_vocab raw;
    kw_vocab back;
    bool named = false, warning;
    check_ok(kw_vocab_to_ggml(vocab, &arena, &raw, &named, err), err);
    assert_true(named);
    check_ok(kw_vocab_from_ggml(&raw, &arena, &back, &warning, err), err);
    check_ok(kw_tokenizer_create(vocab, &both[0], err), err);
    check_ok(kw_tokenizer_create(&back, &both[1], err), err);
    kw_arena_free(&arena);
    return KW_OK;
}

static void test_ggml_and_back(void **state)
{
    (void)state;
    static const char *const names[] = {GOLDEN "t5-unigram/t5.spiece.model",
                                        GOLDEN "bert-uncased/vocab.txt", GOLDEN "gpt2/encoder.json",
                                        GOLDEN "unigram-bytefallback/spm_bytefallback.model"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[PATH_SIZE];
        kw_arena arena = {0};
        kw_tokenizer *both[2];
        kw_error err;
        NEED_SHARED(names[i], path);
        check_ok(kw_vocab_from_path(path, through_ggml, both, &err), &err);
        NEED_SHARED(GOLDEN "t5-hf/cases.json", path);
        for (const kw_tree *c = read_tree(path, &arena)->child; c; c = c->next) {
            const kw_str text = from_hex(kw_tree_text(c, "text_hex"), &arena);
            for (unsigned flags = 0; flags < 2; flags++) {
                int32_t *ids[2];
                size_t n[2];
                for (size_t k = 0; k < 2; k++)
                    check_ok(kw_tokenizer_encode(both[k], text, flags, &ids[k], &n[k], &err), &err);
                if (n[0] != n[1])
                    print_error("%s: \"%.*s\"\n", names[i], KW_FMT(text));
                assert_int_equal(n[0], n[1]);
                assert_memory_equal(ids[0], ids[1], n[0] * sizeof(int32_t));
                free(ids[0]);
                free(ids[1]);
            }
        }
        kw_tokenizer_free(both[0]);
        kw_tokenizer_free(both[1]);
        kw_arena_free(&arena);
    }
}

/* The cache of pieces changes nothing: a text of many pieces, whole and line by line. */
static void test_cache(void **state)
{
    (void)state;
    static const char *const names[] = {GOLDEN "gpt2/encoder.json",
                                        GOLDEN "llama3/tokenizer.model"};
    char path[PATH_SIZE];
    NEED_SHARED("text/tinyshakespeare.txt", path);
    const kw_str text = read_file(path);
    for (size_t i = 0; i < 2; i++) {
        kw_tokenizer *t;
        kw_error err;
        int32_t *whole, *line;
        size_t n, n_line, at = 0, done = 0;
        NEED_SHARED(names[i], path);
        check_ok(kw_tokenizer_from_path(path, &t, &err), &err);
        const size_t len = text.len < 400000 ? text.len : 400000;
        check_ok(kw_tokenizer_encode(t, (kw_str){text.data, len}, 0, &whole, &n, &err), &err);
        while (at < len) { /* cut before a letter at the start of a line, where a piece starts */
            size_t end = at + 1;
            while (end < len && !(text.data[end - 1] == '\n' && text.data[end] >= 'A' &&
                                  text.data[end] <= 'Z' && text.data[end - 2] != '\n'))
                end++;
            check_ok(
                kw_tokenizer_encode(t, (kw_str){text.data + at, end - at}, 0, &line, &n_line, &err),
                &err);
            assert_true(done + n_line <= n);
            assert_memory_equal(whole + done, line, n_line * sizeof(*line));
            free(line);
            done += n_line;
            at = end;
        }
        assert_int_equal(done, n);
        free(whole);
        kw_tokenizer_free(t);
    }
    free_text(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_sentencepiece),
        cmocka_unit_test(test_ggml_and_back),
        cmocka_unit_test(test_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
