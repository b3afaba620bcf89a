/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* decode.c - the streaming decoder: whole characters only, whatever the order of tokens. */
#include "golden.h"

#include "base/utf8.h"

#define METASPACE "\xE2\x96\x81"

/* Tokens 0..255 are the bytes, then a few texts. */
enum { UNK = 256, BOS, SPACE_HELLO, SPACE, WORLD, USER, HOLE, N_SPM };

static kw_tokenizer *make_spm(bool drop_first_space)
{
    static char names[256][7];
    kw_str tokens[N_SPM];
    uint8_t kinds[N_SPM];
    kw_vocab vocab;
    kw_tokenizer *t;
    kw_error err;
    for (unsigned i = 0; i < 256; i++) {
        snprintf(names[i], sizeof(names[i]), "<0x%02X>", i);
        tokens[i] = kw_str_from(names[i]);
        kinds[i] = KW_TOKEN_BYTE;
    }
    static const char *const texts[] = {"<unk>",  "<s>", METASPACE "Hello", METASPACE, "world",
                                        "<user>", ""};
    static const uint8_t more[] = {KW_TOKEN_UNKNOWN, KW_TOKEN_CONTROL, KW_TOKEN_NORMAL,
                                   KW_TOKEN_NORMAL,  KW_TOKEN_NORMAL,  KW_TOKEN_USER,
                                   KW_TOKEN_UNUSED};
    for (unsigned i = UNK; i < N_SPM; i++) {
        tokens[i] = kw_str_from(texts[i - UNK]);
        kinds[i] = more[i - UNK];
    }
    kw_vocab_defaults(&vocab, KW_VOCAB_SPM_BPE);
    vocab.n_tokens = N_SPM;
    vocab.tokens = tokens;
    vocab.kinds = kinds;
    vocab.unk = UNK;
    vocab.bos = BOS;
    vocab.drop_first_space = drop_first_space;
    check_ok(kw_tokenizer_create(&vocab, &t, &err), &err);
    return t;
}

/* Byte-level tokens with these raw bytes, spelled in the alphabet. */
static kw_tokenizer *make_bytes(const char *const *raw, size_t n)
{
    kw_arena arena = {0};
    kw_str *tokens = kw_arena_array(&arena, n, sizeof(*tokens));
    kw_vocab vocab;
    kw_tokenizer *t;
    kw_error err;
    assert_non_null(tokens);
    for (size_t i = 0; i < n; i++) {
        char *spelled = kw_arena_alloc(&arena, 2 * strlen(raw[i]) + 1);
        assert_non_null(spelled);
        size_t len = 0;
        for (const char *c = raw[i]; *c;
             c++) { /* bytes of 80..FF: the alphabet, by its definition */
            const unsigned byte = (unsigned char)*c;
            const uint32_t shown = byte >= 0x7F && byte <= 0xA0 ? 0x121 + byte - 0x7F
                                   : byte == 0xAD               ? 0x143
                                   : byte <= 0x20               ? 0x100 + byte
                                                                : byte;
            len += kw_utf8_encode(shown, spelled + len);
        }
        tokens[i] = (kw_str){spelled, len};
    }
    kw_vocab_defaults(&vocab, KW_VOCAB_BYTE_BPE);
    vocab.n_tokens = n;
    vocab.tokens = tokens;
    check_ok(kw_tokenizer_create(&vocab, &t, &err), &err);
    kw_arena_free(&arena);
    return t;
}

static void check_push(kw_detokenizer *d, int32_t id, const char *expected)
{
    const kw_str text = kw_detokenizer_push(d, id);
    if (!kw_str_is(text, expected))
        print_error("token %d gives \"%.*s\", expected \"%s\"\n", id, KW_FMT(text),
                    expected ? expected : "");
    assert_true(kw_str_is(text, expected));
}

static void check_flush(kw_detokenizer *d, const char *expected)
{
    assert_true(kw_str_is(kw_detokenizer_flush(d), expected));
}

static void test_characters_stay_whole(void **state)
{
    (void)state;
    kw_tokenizer *t = make_spm(true);
    kw_detokenizer d;
    kw_detokenizer_init(&d, t, false);
    check_push(&d, 0xF0, "");
    check_push(&d, 0x9F, "");
    check_push(&d, 0x98, "");
    check_push(&d, 0x80, "\xF0\x9F\x98\x80");
    check_push(&d, 0xC3, "");
    check_push(&d, 'a',
               "\xEF\xBF\xBD"
               "a"); /* what was pending became nothing */
    check_push(&d, 0xE4, "");
    check_push(&d, 0xBD, "");
    check_push(&d, 0xE4, "\xEF\xBF\xBD\xEF\xBF\xBD"); /* U+FFFD for each byte; E4 waits */
    check_push(&d, 0xBD, "");
    check_push(&d, 0xA0, "\xE4\xBD\xA0");
    check_push(&d, 0x80, "\xEF\xBF\xBD");
    check_flush(&d, "");
    check_push(&d, 0xE4, "");
    check_push(&d, 0xBD, "");
    check_flush(&d, "\xEF\xBF\xBD\xEF\xBF\xBD");
    check_flush(&d, "");
    kw_tokenizer_free(t);
}

static void test_first_space(void **state)
{
    (void)state;
    kw_tokenizer *t = make_spm(true);
    kw_detokenizer d;
    kw_detokenizer_init(&d, t, false);
    check_push(&d, BOS, "");
    check_push(&d, SPACE_HELLO, "Hello");
    check_push(&d, SPACE_HELLO, " Hello");
    kw_detokenizer_init(&d, t, false);
    check_push(&d, SPACE, ""); /* one space and no more */
    check_push(&d, SPACE_HELLO, " Hello");
    kw_detokenizer_init(&d, t, false);
    check_push(&d, ' ', " "); /* a byte token's space is the text's own */
    check_push(&d, SPACE, " ");
    kw_detokenizer_init(&d, t, true);
    check_push(&d, BOS, "<s>");
    check_push(&d, SPACE_HELLO, " Hello");
    check_push(&d, UNK, "<unk>");
    kw_detokenizer_init(&d, t, false);
    check_push(&d, UNK, " \xE2\x81\x87 ");
    check_push(&d, USER, "<user>");
    check_push(&d, HOLE, "");
    kw_tokenizer_free(t);
    t = make_spm(false);
    kw_detokenizer_init(&d, t, false);
    check_push(&d, SPACE_HELLO, " Hello");
    kw_tokenizer_free(t);
}

static void test_out_of_range(void **state)
{
    (void)state;
    static const int32_t ids[] = {-1, INT32_MIN, N_SPM, INT32_MAX, WORLD};
    kw_tokenizer *t = make_spm(true);
    kw_detokenizer d;
    kw_detokenizer_init(&d, t, false);
    for (size_t i = 0; i < 4; i++) {
        check_push(&d, ids[i], "");
        assert_int_equal(kw_tokenizer_piece(t, ids[i]).len, 0);
        assert_int_equal(kw_tokenizer_kind(t, ids[i]), KW_TOKEN_UNKNOWN);
        assert_false(kw_tokenizer_is_end(t, ids[i]));
    }
    check_decode(t, "out of range", ids, 5, false, KW_STR("world"));
    check_decode(t, "nothing", ids, 0, false, KW_STR(""));
    kw_tokenizer_free(t);
}

/* In byte-level vocabularies one U+FFFD stands for a maximal subpart (Unicode 15, table 3-8). */
static void test_subparts(void **state)
{
    (void)state;
    static const char *const raw[] = {"\xF1\x80\x80\xE1", "\x80",         "\xC2",    "b",
                                      "\xC0\xAF",         "\xED\xA0\x80", "\xE2\x82"};
    kw_tokenizer *t = make_bytes(raw, 7);
    kw_detokenizer d;
    kw_detokenizer_init(&d, t, false);
    check_push(&d, 0, "\xEF\xBF\xBD"); /* F1 80 80 is one; E1 waits */
    check_push(&d, 1, "");             /* E1 80 */
    check_push(&d, 2, "\xEF\xBF\xBD");
    check_push(&d, 3,
               "\xEF\xBF\xBD"
               "b");
    check_push(&d, 4, "\xEF\xBF\xBD\xEF\xBF\xBD");
    check_push(&d, 5, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    check_push(&d, 6, "");
    check_flush(&d, "\xEF\xBF\xBD");
    kw_tokenizer_free(t);
}

/* Tokens far longer than the decoder's own room. */
static void test_long_tokens(void **state)
{
    (void)state;
    char *text = malloc(3001);
    assert_non_null(text);
    memset(text, 'x', 3000);
    text[3000] = 0;
    char *broken = malloc(3001);
    assert_non_null(broken);
    memset(broken, '\x80', 3000);
    broken[3000] = 0;
    const char *const raw[] = {text, "\xE2", broken};
    kw_tokenizer *t = make_bytes(raw, 3);
    kw_detokenizer d;
    kw_detokenizer_init(&d, t, false);
    check_push(&d, 0, text);
    check_push(&d, 1, "");
    check_push(&d, 0, text); /* the byte that waited is let go */
    const kw_str cut = kw_detokenizer_push(&d, 2);
    assert_true(cut.len > 400 && cut.len <= sizeof(d.out) && cut.len % 3 == 0);
    assert_true(kw_utf8_valid(cut.data, cut.len));
    kw_tokenizer_free(t);
    free(text);
    free(broken);
}

/* Random ids: what the pushes give, together, is the decoding of the whole, and each is valid. */
static void check_random(const kw_tokenizer *t, uint64_t *seed)
{
    int32_t ids[40];
    char joined[40 * 3 * 200];
    size_t n_joined = 0;
    kw_detokenizer d;
    kw_detokenizer_init(&d, t, next_random(seed) % 2 == 0);
    for (size_t i = 0; i < 40; i++)
        ids[i] = (int32_t)(next_random(seed) % (kw_tokenizer_size(t) + 2)) - 1;
    for (size_t i = 0; i <= 40; i++) {
        const kw_str part = i < 40 ? kw_detokenizer_push(&d, ids[i]) : kw_detokenizer_flush(&d);
        assert_true(kw_utf8_valid(part.data, part.len));
        assert_true(n_joined + part.len <= sizeof(joined));
        memcpy(joined + n_joined, part.data, part.len);
        n_joined += part.len;
    }
    assert_int_equal(d.n_pending, 0);
    check_decode(t, "random", ids, 40, d.keep_special, (kw_str){joined, n_joined});
}

static void test_random(void **state)
{
    (void)state;
    static const char *const raw[] = {
        "a",    "\xE2",     "\x82\xAC", "\xF0\x9F", "\x98\x80",          "\xC3\xA9",
        "\xFF", "\xE2\x82", "\xAC",     "\x80\x80", "x\xF0\x9F\x98\x80", "\xF4\x90"};
    uint64_t seed = 3;
    kw_tokenizer *spm = make_spm(true), *bytes = make_bytes(raw, 12);
    for (int round = 0; round < 20000; round++) {
        check_random(spm, &seed);
        check_random(bytes, &seed);
    }
    kw_tokenizer_free(spm);
    kw_tokenizer_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters_stay_whole), cmocka_unit_test(test_first_space),
        cmocka_unit_test(test_out_of_range),          cmocka_unit_test(test_subparts),
        cmocka_unit_test(test_long_tokens),           cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
