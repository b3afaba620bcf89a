/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hostile.c - vocabularies that no training would write: each ends in an error or works, none
 * crashes. */
#include "golden.h"

#include "base/utf8.h"

#include <math.h>

/* Encodes and decodes a few texts with whatever tokenizer came out. */
static void exercise(const kw_tokenizer *t)
{
    static const char *const texts[] = {
        "", "a", "aaaa bb <s> abc", "\xFF\xC3", "\xE4\xBD\xA0\xE5\xA5\xBD a", "<s></s>"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (unsigned flags = 0; flags < 4; flags++) {
            int32_t *ids;
            size_t n, len;
            char *text;
            kw_error err;
            check_ok(kw_tokenizer_encode(t, kw_str_from(texts[i]), flags, &ids, &n, &err), &err);
            for (size_t k = 0; k < n; k++)
                assert_true(ids[k] >= 0 && (size_t)ids[k] < kw_tokenizer_size(t));
            check_ok(kw_tokenizer_decode(t, ids, n, flags & 1, &text, &len, &err), &err);
            assert_true(kw_utf8_valid(text, len));
            free(text);
            free(ids);
        }
    }
    for (int32_t id = -2; id < (int32_t)kw_tokenizer_size(t) + 2; id++) {
        kw_detokenizer d;
        kw_detokenizer_init(&d, t, true);
        kw_detokenizer_push(&d, id);
        kw_detokenizer_flush(&d);
        kw_tokenizer_find(t, kw_tokenizer_piece(t, id));
    }
}

static void create_and_exercise(const kw_vocab *vocab)
{
    kw_tokenizer *t;
    kw_error err;
    check_ok(kw_tokenizer_create(vocab, &t, &err), &err);
    exercise(t);
    kw_tokenizer_free(t);
}

static void refused(const kw_vocab *vocab, kw_status status, const char *words)
{
    kw_tokenizer *t = NULL;
    kw_error err;
    assert_int_equal(kw_tokenizer_create(vocab, &t, &err), status);
    assert_non_null(strstr(err.message, words));
    assert_null(t);
}

static void test_duplicates(void **state)
{
    (void)state;
    static const kw_str tokens[] = {{"a", 1},  {"a", 1}, {"a", 1}, {"aa", 2},
                                    {"aa", 2}, {"", 0},  {"", 0}};
    static const uint8_t kinds[] = {KW_TOKEN_CONTROL, KW_TOKEN_NORMAL, KW_TOKEN_NORMAL,
                                    KW_TOKEN_NORMAL,  KW_TOKEN_USER,   KW_TOKEN_NORMAL,
                                    KW_TOKEN_CONTROL};
    static const kw_str merges[] = {{"a a", 3}, {"a a", 3}, {"a a", 3}};
    for (int kind = 0; kind < 4; kind++) {
        kw_vocab vocab;
        kw_vocab_defaults(&vocab, kind % 2 ? KW_VOCAB_BYTE_BPE : KW_VOCAB_SPM_BPE);
        vocab.n_tokens = 7;
        vocab.tokens = tokens;
        vocab.kinds = kind < 2 ? kinds : NULL;
        vocab.merges = kind < 2 ? NULL : merges;
        vocab.n_merges = 3;
        create_and_exercise(&vocab);
    }
}

static void test_scores(void **state)
{
    (void)state;
    static const kw_str tokens[] = {{"a", 1},   {"b", 1},    {"aa", 2}, {"ab", 2},
                                    {"aaa", 3}, {"aaaa", 4}, {"bb", 2}};
    static const float scores[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, NAN, 1e-45f};
    kw_vocab vocab;
    kw_vocab_defaults(&vocab, KW_VOCAB_SPM_BPE);
    vocab.n_tokens = 7;
    vocab.tokens = tokens;
    vocab.scores = scores;
    create_and_exercise(&vocab);
}

static void test_merges(void **state)
{
    (void)state;
    static const kw_str tokens[] = {{"a", 1}, {"b", 1}, {"ab", 2}};
    static const kw_str merges[] = {{"a b", 3}, {"x y", 3},   {"a x", 3}, {"ab ab", 5},
                                    {"", 0},    {"ab", 2},    {"a ", 2},  {" b", 2},
                                    {"  ", 2},  {"a b c", 5}, {"b a", 3}};
    kw_vocab vocab;
    for (int kind = 0; kind < 2; kind++) {
        kw_vocab_defaults(&vocab, kind ? KW_VOCAB_BYTE_BPE : KW_VOCAB_SPM_BPE);
        vocab.n_tokens = 3;
        vocab.tokens = tokens;
        vocab.merges = merges;
        vocab.n_merges = 11;
        create_and_exercise(&vocab);
    }
}

static void test_ids(void **state)
{
    (void)state;
    static const kw_str tokens[] = {{"a", 1}, {"b", 1}};
    static const int32_t beyond[] = {0, 2};
    static const kw_added_token far[] = {{.text = {"x", 1}, .id = 2}},
                                none[] = {{.text = {"x", 1}, .id = -1}};
    kw_vocab good, vocab;
    kw_vocab_defaults(&good, KW_VOCAB_BYTE_BPE);
    good.n_tokens = 2;
    good.tokens = tokens;
    vocab = good;
    vocab.bos = 2;
    refused(&vocab, KW_E_FORMAT, "bos id 2");
    vocab = good;
    vocab.eos = -2;
    refused(&vocab, KW_E_FORMAT, "eos id -2");
    vocab = good;
    vocab.unk = INT32_MAX;
    refused(&vocab, KW_E_FORMAT, "unknown id");
    vocab = good;
    vocab.prefix = beyond;
    vocab.n_prefix = 2;
    refused(&vocab, KW_E_FORMAT, "prefix id 2");
    vocab = good;
    vocab.added = far;
    vocab.n_added = 1;
    refused(&vocab, KW_E_FORMAT, "added token id 2");
    vocab.added = none;
    refused(&vocab, KW_E_FORMAT, "no id");
    vocab = good;
    vocab.n_tokens = 0;
    refused(&vocab, KW_E_FORMAT, "no tokens");
    vocab.n_tokens = SIZE_MAX / 64;
    refused(&vocab, KW_E_LIMIT, "tokens are more");
    create_and_exercise(&good);
}

static void test_odd_texts(void **state)
{
    (void)state;
    static const kw_str tokens[] = {{"\xFF", 1},          {"\xC3", 1},         {"\xA9", 1},
                                    {"\xC3\xA9", 2},      {"\0", 1},           {"<s>", 3},
                                    {"</s>", 4},          {"\xE2\x96\x81", 3}, {"\xE2\x96", 2},
                                    {"\xE2\x96\x81 ", 4}, {"<0xZZ>", 6},       {"<0x4", 4}};
    static const uint8_t all[] = {0, 1, 2, 3, 4, 5, 6, 7, 255};
    for (size_t i = 0; i < sizeof(all); i++) {
        for (int kind = 0; kind < 2; kind++) {
            uint8_t kinds[12];
            kw_vocab vocab;
            memset(kinds, all[i], sizeof(kinds));
            kw_vocab_defaults(&vocab, kind ? KW_VOCAB_BYTE_BPE : KW_VOCAB_SPM_BPE);
            vocab.n_tokens = 12;
            vocab.tokens = tokens;
            vocab.kinds = kinds;
            vocab.ignore_merges = true;
            create_and_exercise(&vocab);
        }
    }
}

static void test_long_tokens(void **state)
{
    (void)state;
    const size_t len = 100000;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, 'a', len);
    const kw_str tokens[] = {{"a", 1}, {text, len}, {text, 1024}, {text, 2}};
    uint8_t kinds[] = {KW_TOKEN_NORMAL, KW_TOKEN_NORMAL, KW_TOKEN_CONTROL, KW_TOKEN_NORMAL};
    kw_vocab vocab;
    for (int kind = 0; kind < 2; kind++) {
        kw_vocab_defaults(&vocab, kind ? KW_VOCAB_BYTE_BPE : KW_VOCAB_SPM_BPE);
        vocab.n_tokens = 4;
        vocab.tokens = tokens;
        vocab.kinds = kinds;
        create_and_exercise(&vocab);
        kinds[1] = KW_TOKEN_CONTROL;
        refused(&vocab, KW_E_LIMIT, "over 1024");
        kinds[1] = KW_TOKEN_USER;
        refused(&vocab, KW_E_LIMIT, "over 1024");
        kinds[1] = KW_TOKEN_NORMAL;
    }
    free(text);
}

/* Tokens a, aa, aaa, .. up to a length, every one a candidate at every place. */
static void test_many_nested(void **state)
{
    (void)state;
    enum { N = 1500 };
    static char text[N];
    static kw_str tokens[N];
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < N; i++)
        tokens[i] = (kw_str){text, i + 1};
    kw_vocab vocab;
    kw_tokenizer *t;
    kw_error err;
    kw_vocab_defaults(&vocab, KW_VOCAB_SPM_BPE);
    vocab.n_tokens = N;
    vocab.tokens = tokens;
    check_ok(kw_tokenizer_create(&vocab, &t, &err), &err);
    char *long_text = malloc(200000);
    assert_non_null(long_text);
    memset(long_text, 'a', 200000);
    int32_t *ids;
    size_t n;
    check_ok(kw_tokenizer_encode(t, (kw_str){long_text, 200000}, 0, &ids, &n, &err), &err);
    assert_true(n > 0);
    free(ids);
    free(long_text);
    kw_tokenizer_free(t);
}

/* A chain of unused tokens, each one made of the one before: taken apart to the last. */
static void test_unused_chain(void **state)
{
    (void)state;
    enum { N = 2000 };
    static char text[N];
    static kw_str tokens[N];
    static uint8_t kinds[N];
    static float scores[N];
    memset(text, 'a', sizeof(text));
    text[0] = 'b';
    for (size_t i = 0; i < N; i++) {
        tokens[i] = i == 0 ? (kw_str){"a", 1} : (kw_str){text, i};
        kinds[i] = i < 2 ? KW_TOKEN_NORMAL : KW_TOKEN_UNUSED;
        scores[i] = -(float)i;
    }
    kw_vocab vocab;
    kw_tokenizer *t;
    kw_error err;
    kw_vocab_defaults(&vocab, KW_VOCAB_SPM_BPE);
    vocab.add_space_prefix = false;
    vocab.n_tokens = N;
    vocab.tokens = tokens;
    vocab.kinds = kinds;
    vocab.scores = scores;
    check_ok(kw_tokenizer_create(&vocab, &t, &err), &err);
    int32_t *ids;
    size_t n;
    check_ok(kw_tokenizer_encode(t, (kw_str){text, N}, 0, &ids, &n, &err), &err);
    assert_int_equal(n, N);
    assert_int_equal(ids[0], 1);
    for (size_t i = 1; i < n; i++)
        assert_int_equal(ids[i], 0);
    free(ids);
    kw_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duplicates),  cmocka_unit_test(test_scores),
        cmocka_unit_test(test_merges),      cmocka_unit_test(test_ids),
        cmocka_unit_test(test_odd_texts),   cmocka_unit_test(test_long_tokens),
        cmocka_unit_test(test_many_nested), cmocka_unit_test(test_unused_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
