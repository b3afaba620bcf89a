/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* models.c - unigram and WordPiece against the plainest way to compute the same, their readers, the
 * steps that prepare text for them, and maps that no writer would make. */
#include "golden.h"

#include "base/utf8.h"
#include "text/charsmap.h"
#include "text/pattern.h"
#include "text/steps.h"
#include "text/unicode_table.h"
#include "text/vocab_rules.h"

#include <float.h>
#include <math.h>

#define N_PIECES 40

/* Random pieces of up to four of three letters, with scores that are multiples of 1/8: sums of
 * them are exact. */
typedef struct random_pieces {
    char text[N_PIECES][5];
    kw_str tokens[N_PIECES];
    float scores[N_PIECES];
} random_pieces;

static void make_pieces(random_pieces *p, uint64_t *seed)
{
    for (size_t i = 0; i < N_PIECES; i++) {
        const size_t len = i < 3 ? 1 : 1 + next_random(seed) % 4;
        for (size_t k = 0; k < len; k++)
            p->text[i][k] = i < 3 && i != 2 ? (char)('a' + i) : (char)('a' + next_random(seed) % 3);
        p->tokens[i] = (kw_str){p->text[i], len};
        p->scores[i] = -(float)(next_random(seed) % 64) / 8 - (float)len;
    }
}

/* The score of the first token spelled so, or of an unknown character. */
static float score_of(const random_pieces *p, const char *text, size_t len, float unknown)
{
    for (size_t i = 0; i < N_PIECES; i++)
        if (p->tokens[i].len == len && memcmp(p->text[i], text, len) == 0)
            return p->scores[i];
    return len == 1 ? unknown : -FLT_MAX;
}

/* The best sum over text, by trying every way to cut it. */
static float best_sum(const random_pieces *p, const char *text, size_t len, float unknown)
{
    if (len == 0)
        return 0;
    float best = -FLT_MAX;
    for (size_t first = 1; first <= len && first <= 4; first++) {
        const float score = score_of(p, text, first, unknown);
        if (score > -FLT_MAX)
            best = fmaxf(best, score + best_sum(p, text + first, len - first, unknown));
    }
    return best;
}

static void test_unigram_is_best(void **state)
{
    (void)state;
    uint64_t seed = 99;
    for (int round = 0; round < 60; round++) {
        random_pieces p;
        kw_vocab vocab;
        kw_tokenizer *t;
        kw_error err;
        make_pieces(&p, &seed);
        float unknown = FLT_MAX;
        for (size_t i = 0; i < N_PIECES; i++)
            unknown = fminf(unknown, p.scores[i] - 10);
        kw_vocab_defaults(&vocab, KW_VOCAB_UNIGRAM);
        vocab.add_space_prefix = false;
        vocab.fuse_unk = false;
        vocab.unk = N_PIECES;
        vocab.n_tokens = N_PIECES + 1;
        kw_str tokens[N_PIECES + 1];
        float scores[N_PIECES + 1];
        uint8_t kinds[N_PIECES + 1];
        memset(kinds, KW_TOKEN_NORMAL, sizeof(kinds));
        memcpy(tokens, p.tokens, sizeof(p.tokens));
        memcpy(scores, p.scores, sizeof(p.scores));
        tokens[N_PIECES] = KW_STR("<unk>");
        scores[N_PIECES] = 0;
        kinds[N_PIECES] = KW_TOKEN_UNKNOWN;
        vocab.tokens = tokens;
        vocab.scores = scores;
        vocab.kinds = kinds;
        check_ok(kw_tokenizer_create(&vocab, &t, &err), &err);
        for (int k = 0; k < 40; k++) {
            char text[12];
            int32_t *ids;
            size_t n, at = 0;
            const size_t len = 1 + next_random(&seed) % sizeof(text);
            for (size_t i = 0; i < len; i++)
                text[i] = (char)('a' + next_random(&seed) % 3);
            check_ok(kw_tokenizer_encode(t, (kw_str){text, len}, 0, &ids, &n, &err), &err);
            float sum = 0;
            for (size_t i = 0; i < n; i++) {
                const size_t width = ids[i] == N_PIECES ? 1 : tokens[ids[i]].len;
                sum += ids[i] == N_PIECES ? unknown : score_of(&p, text + at, width, unknown);
                at += width;
            }
            assert_int_equal(at, len);
            assert_true(sum == best_sum(&p, text, len, unknown));
            free(ids);
        }
        kw_tokenizer_free(t);
    }
}

/* Encodes and compares with ids given as text. */
static void expect(const kw_tokenizer *t, const char *text, const char *expected)
{
    int32_t *ids;
    size_t n, len = 0;
    char got[256] = "";
    kw_error err;
    check_ok(kw_tokenizer_encode(t, kw_str_from(text), KW_ENCODE_SPECIAL, &ids, &n, &err), &err);
    for (size_t i = 0; i < n && len < sizeof(got) - 16; i++)
        len += (size_t)sprintf(got + len, "%s%d", i ? " " : "", ids[i]);
    assert_string_equal(got, expected);
    free(ids);
}

static kw_tokenizer *from_words(const char *text)
{
    kw_tokenizer *t;
    kw_error err;
    check_ok(kw_tokenizer_from_wordlist(kw_str_from(text), "vocab.txt", &t, &err), &err);
    return t;
}

static void test_wordlist(void **state)
{
    (void)state;
    kw_tokenizer *t =
        from_words("[PAD]\n[UNK]\n[CLS]\r\n[SEP]\nun\n##aff\n##able\n##a\n,\n\xE4\xBD\xA0");
    assert_int_equal(kw_tokenizer_size(t), 10);
    expect(t, "unaffable", "2 4 5 6 3");
    expect(t, "UNAFF\xC3\x84, una unx x", "2 4 5 7 8 4 7 1 1 3");
    expect(t, "\xE4\xBD\xA0\xE4\xBD\xA0un", "2 9 9 4 3");
    expect(t, "", "2 3");
    char *text;
    size_t len;
    kw_error err;
    const int32_t ids[] = {2, 4, 5, 6, 8, 4, 3};
    check_ok(kw_tokenizer_decode(t, ids, 7, false, &text, &len, &err), &err);
    assert_string_equal(text, "unaffable, un");
    free(text);
    kw_tokenizer_free(t);
    t = from_words("[UNK]\nUn\nun"); /* cased, and nothing around */
    expect(t, "Un un UN", "1 2 0");
    kw_tokenizer_free(t);
    assert_int_equal(kw_tokenizer_from_wordlist(KW_STR(""), "vocab.txt", &t, &err), KW_E_FORMAT);
}

/* The same words as GGUF spells them. */
static void test_ggml_bert(void **state)
{
    (void)state;
    static const kw_str tokens[] = {{"[PAD]", 5},          {"[UNK]", 5}, {"[CLS]", 5}, {"[SEP]", 5},
                                    {"\xE2\x96\x81un", 5}, {"aff", 3},   {"able", 4}};
    kw_arena arena = {0};
    kw_ggml_vocab raw;
    kw_vocab vocab;
    kw_tokenizer *t;
    kw_error err;
    kw_ggml_vocab_init(&raw);
    raw.model = KW_STR("bert");
    raw.n_tokens = 7;
    raw.tokens = tokens;
    raw.unk = 1;
    raw.bos = 2;
    raw.sep = 3;
    check_ok(kw_vocab_from_ggml(&raw, &arena, &vocab, NULL, &err), &err);
    check_ok(kw_tokenizer_create(&vocab, &t, &err), &err);
    expect(t, "Unaffable un", "2 4 5 6 4 3");
    expect(t, "able", "2 1 3");
    assert_true(kw_str_is(kw_tokenizer_piece(t, 5), "##aff"));
    kw_tokenizer_free(t);
    kw_arena_free(&arena);
}

/* A tokenizer.json whose words are whole, and one of scored tokens. */
static void test_json_models(void **state)
{
    (void)state;
    kw_tokenizer *t;
    kw_error err;
    check_ok(kw_tokenizer_from_json(
                 KW_STR("{\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},\"model\":{\"type\":"
                        "\"WordLevel\",\"unk_token\":\"?\",\"vocab\":{\"?\":0,\"ab\":1,\"a\":2}}}"),
                 "words", &t, &err),
             &err);
    expect(t, "ab  a\nabc b", "1 2 0 0");
    char *text;
    size_t len;
    const int32_t ids[] = {1, 2, 1};
    check_ok(kw_tokenizer_decode(t, ids, 3, false, &text, &len, &err), &err);
    assert_string_equal(text, "ab a ab");
    free(text);
    kw_tokenizer_free(t);
    check_ok(kw_tokenizer_from_json(
                 KW_STR("{\"model\":{\"unk_id\":0,\"vocab\":[[\"?\",0],[\"a\",-2.5],[\"b\",-2.5],"
                        "[\"ab\",-4.9],[\"abb\",-7.6]]}}"),
                 "scores", &t, &err),
             &err);
    expect(t, "aabbcc", "1 3 2 0");
    kw_tokenizer_free(t);
}

/* Steps one by one, on text that each of them changes. */
static void test_steps(void **state)
{
    (void)state;
    static const struct {
        kw_step step;
        const char *text, *expected;
    } list[] = {
        {{.kind = KW_STEP_LOWER},
         "A\xC3\x84\xC4\xB0\xCE\xA3\xF0\x90\x90\x80z",
         "a\xC3\xA4i\xCC\x87\xCF\x83\xF0\x90\x90\xA8z"},
        {{.kind = KW_STEP_UNMARK}, "e\xCC\x81\xE0\xA4\xBEx", "e\xE0\xA4\xBEx"},
        {{.kind = KW_STEP_UNMARK, .all = true}, "e\xCC\x81\xE0\xA4\xBEx", "ex"},
        {{.kind = KW_STEP_CLEAN},
         "a\tb\x7F\xC2\xA0\xC2\xAD\xEF\xBF\xBD\xEF\xBF\xBF",
         "a b \xEF\xBF\xBF"},
        {{.kind = KW_STEP_CLEAN, .all = true}, "a\xEF\xBF\xBF", "a"},
        {{.kind = KW_STEP_NMT}, "a\x01\t\xE2\x80\x8B\xE2\x96\x81x", "a   x"},
        {{.kind = KW_STEP_CJK}, "a\xE4\xBD\xA0", "a \xE4\xBD\xA0 "},
        {{.kind = KW_STEP_STRIP, .left = true}, " \xE3\x80\x80 a b ", "a b "},
        {{.kind = KW_STEP_STRIP, .right = true}, " a b\n ", " a b"},
        {{.kind = KW_STEP_STRIP, .left = true, .right = true}, " \t ", ""},
        {{.kind = KW_STEP_SQUEEZE}, "  a   b ", "a b"},
    };
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        kw_arena arena = {0};
        kw_steps steps;
        kw_pieces pieces = {.current = -1};
        kw_error err;
        check_ok(kw_steps_compile(&list[i].step, 1, &arena, &steps, &err), &err);
        check_ok(kw_steps_run(&steps, kw_str_from(list[i].text), true, &pieces, &err), &err);
        const kw_str got = pieces.spans.n > 0 ? pieces.text : KW_STR("");
        if (!kw_str_is(got, list[i].expected))
            print_error("step %zu: \"%.*s\"\n", i, KW_FMT(got));
        assert_true(kw_str_is(got, list[i].expected));
        kw_pieces_free(&pieces);
        kw_steps_free(&steps);
        kw_arena_free(&arena);
    }
}

/* Asserts what a map promises at each character of a text; returns how many sequences it found. */
static size_t walk_map(const kw_charsmap *map, const char *text, bool shortest)
{
    const size_t len = strlen(text);
    size_t n_found = 0;
    for (size_t at = 0; at < len; at++) {
        const kw_str rest = {text + at, len - at};
        kw_str becomes = KW_STR("");
        if (((unsigned char)text[at] & 0xC0) == 0x80)
            continue;
        const size_t n = kw_charsmap_find(map, rest, shortest, &becomes);
        assert_true(n <= rest.len && kw_utf8_valid(rest.data, n));
        assert_true(kw_utf8_valid(becomes.data, becomes.len));
        n_found += n > 0;
    }
    return n_found;
}

/* A map of six rules (of SentencePiece's own making), as it is and with bytes changed: whatever it
 * then says, what is found lies in the text and what it becomes is valid. */
static void test_maps(void **state)
{
    (void)state;
    static const char text[] = "A\xEF\xBD\x81 e\xCC\x81\xEF\xAC\x81\xE3\x80\x80\xC2\xAD-e";
    char path[PATH_SIZE];
    kw_arena arena = {0};
    kw_vocab vocab;
    kw_charsmap map;
    kw_error err;
    source_path("tests/fuzz/corpus/fuzz_sentencepiece/unigram_map.model", path);
    const kw_str file = read_file(path);
    check_ok(kw_vocab_from_sentencepiece(file, path, &arena, &vocab, &err), &err);
    check_ok(kw_charsmap_build(vocab.charsmap, &arena, &map, &err), &err);
    assert_int_equal(walk_map(&map, text, false), 6);
    kw_str becomes;
    assert_int_equal(kw_charsmap_find(&map, KW_STR("e\xCC\x81x"), false, &becomes), 3);
    assert_true(kw_str_is(becomes, "\xC3\xA9"));
    assert_int_equal(kw_charsmap_find(&map, KW_STR("e\xCC\x80x"), false, &becomes), 0);
    char *bytes = malloc(vocab.charsmap.len);
    assert_non_null(bytes);
    uint64_t seed = 5;
    size_t n_found = 0;
    for (int round = 0; round < 20000; round++) {
        kw_arena work = {0};
        memcpy(bytes, vocab.charsmap.data, vocab.charsmap.len);
        for (uint32_t n = next_random(&seed) % 60; n > 0; n--)
            bytes[4 + next_random(&seed) % (vocab.charsmap.len - 4)] = (char)next_random(&seed);
        check_ok(kw_charsmap_build((kw_str){bytes, vocab.charsmap.len}, &work, &map, &err), &err);
        n_found += walk_map(&map, text, round % 2);
        kw_arena_free(&work);
    }
    assert_true(n_found > 1000);
    free(bytes);
    assert_int_equal(kw_charsmap_build(KW_STR("\x08\0\0\0abcd"), &arena, &map, NULL), KW_E_FORMAT);
    assert_int_equal(kw_charsmap_build(KW_STR("\x03\0\0\0abcd"), &arena, &map, NULL), KW_E_FORMAT);
    assert_int_equal(kw_charsmap_build(KW_STR("ab"), &arena, &map, NULL), KW_E_FORMAT);
    kw_arena_free(&arena);
    free_text(file);
}

/* The table of categories against the regular expression engine's, every code point. */
static void test_classes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t bits;
    } sets[] = {{"\\p{L}", KW_UC_L},
                {"\\p{Lu}", KW_UC_LU},
                {"\\p{Ll}", KW_UC_LL},
                {"\\p{Lt}", KW_UC_LT},
                {"\\p{Lm}", KW_UC_LM},
                {"\\p{Lo}", KW_UC_LO},
                {"\\p{M}", KW_UC_M},
                {"\\p{Mn}", KW_UC_MN},
                {"\\p{N}", KW_UC_N},
                {"\\p{Nd}", KW_UC_ND},
                {"\\p{P}", KW_UC_P},
                {"\\p{Pc}", KW_UC_PC},
                {"\\p{S}", KW_UC_S},
                {"\\p{Z}", KW_UC_Z},
                {"\\p{Cc}", KW_UC_CC},
                {"\\p{Cf}", KW_UC_CF},
                {"[\\t-\\r \xC2\x85\\p{Z}]", KW_UC_SPACE}};
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        kw_pattern *pattern;
        kw_error err;
        const kw_status status = kw_pattern_compile(kw_str_from(sets[i].name), &pattern, &err);
        if (status == KW_E_UNSUPPORTED) {
            print_message("skipped: %s\n", err.message);
            skip();
        }
        check_ok(status, &err);
        for (uint32_t c = 0; c < 0x110000; c++) {
            char text[4];
            size_t start, end;
            bool found;
            kw_matcher *matcher;
            const size_t len = kw_utf8_encode(c, text);
            /* Characters that a later Unicode than ours has may be anything to the engine. */
            if (len == 0 || kw_unicode_class(c) == 0)
                continue;
            check_ok(kw_matcher_begin(pattern, (kw_str){text, len}, &matcher, &err), &err);
            check_ok(kw_matcher_find(matcher, 0, &found, &start, &end, &err), &err);
            kw_matcher_end(matcher);
            if (found != ((kw_unicode_class(c) & sets[i].bits) != 0))
                print_error("%s: U+%04X\n", sets[i].name, (unsigned)c);
            assert_int_equal(found, (kw_unicode_class(c) & sets[i].bits) != 0);
        }
        kw_pattern_free(pattern);
    }
}

static void test_graphemes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t end;
    } list[] = {{"ab", 1},
                {"e\xCC\x81x", 3},
                {"\r\nx", 2},
                {"\n\xCC\x81", 1},
                {"\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8", 6}, /* goes on past 5 bytes */
                {"\xEA\xB0\x80\xEA\xB0\x80", 3},
                {"a\xE2\x80\x8D\x62", 4},
                {"\xD8\x80x", 3}};
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
        assert_int_equal(kw_grapheme_end(list[i].text, 0, strlen(list[i].text)), list[i].end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unigram_is_best), cmocka_unit_test(test_wordlist),
        cmocka_unit_test(test_ggml_bert),       cmocka_unit_test(test_json_models),
        cmocka_unit_test(test_steps),           cmocka_unit_test(test_maps),
        cmocka_unit_test(test_classes),         cmocka_unit_test(test_graphemes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
