/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bpe.c - merging against a merge written the slow and obvious way, on random vocabularies; sizes,
 * and what goes in comes out. */
#include "golden.h"

#include "base/utf8.h"

#include <math.h>
#include <time.h>

#define MAX_TOKENS 200
#define MAX_TEXT 64

/* A random vocabulary over the letters a to d: single letters first, then pairs of what there is.
 */
typedef struct random_vocab {
    char text[MAX_TOKENS][32];
    char joined[MAX_TOKENS][66];
    kw_str tokens[MAX_TOKENS], merges[MAX_TOKENS];
    uint8_t kinds[MAX_TOKENS];
    float scores[MAX_TOKENS];
    size_t n, n_merges, left[MAX_TOKENS], right[MAX_TOKENS];
} random_vocab;

static size_t find_text(const random_vocab *v, const char *text, size_t len)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->tokens[i].len == len && memcmp(v->text[i], text, len) == 0)
            return i;
    return SIZE_MAX;
}

static void make_vocab(random_vocab *v, uint64_t *seed, size_t n, size_t n_letters)
{
    static const float odd[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 1e30f};
    memset(v, 0, sizeof(*v));
    for (v->n = 0; v->n < n_letters; v->n++) {
        v->text[v->n][0] = (char)('a' + v->n);
        v->tokens[v->n] = (kw_str){v->text[v->n], 1};
    }
    for (size_t tries = 0; v->n < n && tries < 10 * n; tries++) {
        const size_t a = next_random(seed) % v->n, b = next_random(seed) % v->n;
        const size_t len = v->tokens[a].len + v->tokens[b].len;
        char text[64];
        memcpy(text, v->text[a], v->tokens[a].len);
        memcpy(text + v->tokens[a].len, v->text[b], v->tokens[b].len);
        if (len > 12 || find_text(v, text, len) != SIZE_MAX)
            continue;
        v->left[v->n_merges] = a;
        v->right[v->n_merges] = b;
        char *joined = v->joined[v->n_merges];
        memcpy(joined, v->text[a], v->tokens[a].len);
        joined[v->tokens[a].len] = ' ';
        memcpy(joined + v->tokens[a].len + 1, v->text[b], v->tokens[b].len);
        v->merges[v->n_merges] = (kw_str){joined, len + 1};
        v->n_merges++;
        memcpy(v->text[v->n], text, len);
        v->tokens[v->n] = (kw_str){v->text[v->n], len};
        v->n++;
    }
    for (size_t i = 0; i < v->n; i++) {
        const uint32_t r = next_random(seed);
        v->scores[i] = r % 23 == 0 ? odd[r / 32 % 6] : (float)(r / 32 % 40) - 20.0f;
        v->kinds[i] = KW_TOKEN_NORMAL;
    }
}

/* True when score a goes before b. NaN goes last. */
static bool better(float a, float b)
{
    return isnan(b) ? !isnan(a) : a > b;
}

/* One best pair after the other, leftmost of equals, scanning all of them each time. */
static size_t merge_slowly(const random_vocab *v, bool by_table, const char *text, size_t len,
                           int32_t *ids)
{
    size_t start[MAX_TEXT + 1], n = len;
    int32_t id[MAX_TEXT];
    for (size_t i = 0; i < len; i++) {
        start[i] = i;
        id[i] = (int32_t)find_text(v, text + i, 1);
    }
    start[len] = len;
    for (;;) {
        size_t best = SIZE_MAX, best_rank = SIZE_MAX, best_id = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            const size_t whole = find_text(v, text + start[i], start[i + 2] - start[i]);
            size_t rank = SIZE_MAX;
            for (size_t m = 0; by_table && m < v->n_merges && rank == SIZE_MAX; m++)
                if ((int32_t)v->left[m] == id[i] && (int32_t)v->right[m] == id[i + 1])
                    rank = m;
            if (whole == SIZE_MAX || (by_table && rank == SIZE_MAX))
                continue;
            const bool wins =
                best == SIZE_MAX ||
                (by_table ? rank < best_rank : better(v->scores[whole], v->scores[best_id]));
            if (wins) {
                best = i;
                best_rank = rank;
                best_id = whole;
            }
        }
        if (best == SIZE_MAX)
            break;
        id[best] = (int32_t)best_id;
        memmove(&id[best + 1], &id[best + 2], (n - best - 2) * sizeof(*id));
        memmove(&start[best + 1], &start[best + 2], (n - best - 1) * sizeof(*start));
        n--;
    }
    memcpy(ids, id, n * sizeof(*ids));
    return n;
}

static void check_vocab(const random_vocab *v, bool by_table, uint64_t *seed, size_t n_letters)
{
    kw_vocab vocab;
    kw_tokenizer *t;
    kw_error err;
    kw_vocab_defaults(&vocab, KW_VOCAB_SPM_BPE);
    vocab.add_space_prefix = false;
    vocab.n_tokens = v->n;
    vocab.tokens = v->tokens;
    vocab.kinds = v->kinds;
    if (by_table) {
        vocab.merges = v->merges;
        vocab.n_merges = v->n_merges;
    } else {
        vocab.scores = v->scores;
    }
    check_ok(kw_tokenizer_create(&vocab, &t, &err), &err);
    for (int round = 0; round < 60; round++) {
        char text[MAX_TEXT];
        const size_t len = 1 + next_random(seed) % MAX_TEXT;
        for (size_t i = 0; i < len; i++)
            text[i] = (char)('a' + next_random(seed) % n_letters);
        int32_t slow[MAX_TEXT], *ids;
        size_t n, n_slow = merge_slowly(v, by_table, text, len, slow);
        check_ok(kw_tokenizer_encode(t, (kw_str){text, len}, 0, &ids, &n, &err), &err);
        if (n != n_slow || memcmp(ids, slow, n * sizeof(*ids)) != 0)
            print_error("text \"%.*s\"\n", (int)len, text);
        assert_int_equal(n, n_slow);
        assert_memory_equal(ids, slow, n * sizeof(*ids));
        free(ids);
    }
    kw_tokenizer_free(t);
}

static void test_equals_slow_merging(void **state)
{
    (void)state;
    uint64_t seed = 99;
    random_vocab *v = malloc(sizeof(*v));
    assert_non_null(v);
    for (int round = 0; round < 400; round++) {
        const size_t n_letters = 1 + (size_t)round % 4;
        make_vocab(v, &seed, n_letters + next_random(&seed) % (MAX_TOKENS - 10), n_letters);
        check_vocab(v, false, &seed, n_letters);
        check_vocab(v, true, &seed, n_letters);
    }
    free(v);
}

/* A tokenizer from a few tokens, all normal unless kinds say otherwise. */
static kw_tokenizer *make(const char *const *texts, const float *scores, const uint8_t *kinds,
                          size_t n, int32_t unk)
{
    kw_str tokens[300];
    kw_vocab vocab;
    kw_tokenizer *t;
    kw_error err;
    for (size_t i = 0; i < n; i++)
        tokens[i] = kw_str_from(texts[i]);
    kw_vocab_defaults(&vocab, KW_VOCAB_SPM_BPE);
    vocab.add_space_prefix = false;
    vocab.n_tokens = n;
    vocab.tokens = tokens;
    vocab.scores = scores;
    vocab.kinds = kinds;
    vocab.unk = unk;
    check_ok(kw_tokenizer_create(&vocab, &t, &err), &err);
    return t;
}

static void check(const kw_tokenizer *t, const char *text, const int32_t *expected, size_t n)
{
    int32_t *ids;
    size_t n_ids;
    kw_error err;
    check_ok(kw_tokenizer_encode(t, kw_str_from(text), 0, &ids, &n_ids, &err), &err);
    for (size_t i = 0; i < n_ids && i < n; i++)
        if (ids[i] != expected[i])
            print_error("\"%s\": id %zu is %d, expected %d\n", text, i, ids[i], expected[i]);
    assert_int_equal(n_ids, n);
    assert_memory_equal(ids, expected, n * sizeof(*ids));
    free(ids);
}

#define CHECK(t, text, ...)                                                                        \
    do {                                                                                           \
        const int32_t expected_[] = {__VA_ARGS__};                                                 \
        check(t, text, expected_, sizeof(expected_) / sizeof(expected_[0]));                       \
    } while (0)

/* An unused token may be passed through but not left standing: it is taken apart as it was put
 * together. */
static void test_unused(void **state)
{
    (void)state;
    static const char *const texts[] = {"<unk>", "a", "b", "c", "ab", "abc", "bc", "abcb", "ca"};
    static const float scores[] = {0, -9, -9, -9, -1, -2, -3, -4, -5};
    static const uint8_t kinds[] = {KW_TOKEN_UNKNOWN, KW_TOKEN_NORMAL, KW_TOKEN_NORMAL,
                                    KW_TOKEN_NORMAL,  KW_TOKEN_UNUSED, KW_TOKEN_NORMAL,
                                    KW_TOKEN_NORMAL,  KW_TOKEN_UNUSED, KW_TOKEN_UNUSED};
    kw_tokenizer *t = make(texts, scores, kinds, 9, 0);
    CHECK(t, "ab", 1, 2);
    CHECK(t, "abc", 5);
    CHECK(t, "abcb", 5, 2);
    CHECK(t, "cab", 3, 1, 2);
    kw_tokenizer_free(t);
}

static void test_unknown(void **state)
{
    (void)state;
    static const char *const texts[] = {"<unk>", "a", "<0xC3>", "<0xA9>", "xy", "<0x7A>"};
    static const float scores[] = {0, -1, 0, 0, -2, 0};
    static const uint8_t kinds[] = {KW_TOKEN_UNKNOWN, KW_TOKEN_NORMAL, KW_TOKEN_BYTE,
                                    KW_TOKEN_BYTE,    KW_TOKEN_NORMAL, KW_TOKEN_BYTE};
    kw_tokenizer *t = make(texts, scores, kinds, 6, 0);
    CHECK(t, "a\xC3\xA9z", 1, 2, 3, 5); /* bytes where each has a token */
    CHECK(t, "\xC3\xA8\xC3\xA8", 0);    /* else unknown, a run being one */
    CHECK(t, "qra", 0, 1);
    CHECK(t, "qzq", 0, 5, 0);
    CHECK(t, "xy", 4); /* characters that are no tokens still merge into one */
    CHECK(t, "xxy", 0, 4);
    CHECK(t, "<0x7A>", 0); /* the name of a byte token is ordinary text */
    kw_tokenizer_free(t);
    t = make(texts + 1, scores, kinds + 1, 1, -1);
    CHECK(t, "aqa", 0, 0); /* without an unknown token it is dropped */
    kw_tokenizer_free(t);
}

/* The tokenizers of the test data that have a token for every byte. */
static const char *const real[] = {"golden/tokenizers/llama2-spm/llama2.tokenizer.model",
                                   "golden/tokenizers/llama3/tokenizer.model",
                                   "golden/tokenizers/gpt2/encoder.json"};

static void need_real(size_t i, kw_tokenizer **t)
{
    char path[PATH_SIZE];
    kw_error err;
    NEED_SHARED(real[i], path);
    check_ok(kw_tokenizer_from_path(path, t, &err), &err);
}

static void check_round_trip(const kw_tokenizer *t, kw_str text)
{
    int32_t *ids;
    size_t n;
    kw_error err;
    check_ok(kw_tokenizer_encode(t, text, 0, &ids, &n, &err), &err);
    check_decode(t, "round trip", ids, n, false, text);
    free(ids);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        kw_tokenizer *t;
        uint64_t seed = 5 + i;
        need_real(i, &t);
        for (int round = 0; round < 3000; round++) {
            char text[512];
            size_t len = 0;
            const size_t n = next_random(&seed) % 100;
            for (size_t k = 0; k < n; k++) {
                static const uint32_t limits[] = {0x80, 0x80, 0x800, 0x10000, 0x110000};
                const uint32_t c = next_random(&seed) % limits[next_random(&seed) % 5];
                /* U+2581 is how SentencePiece writes a space, and decodes to one. */
                len += c == 0x2581 ? 0 : kw_utf8_encode(c, text + len);
            }
            check_round_trip(t, (kw_str){text, len});
        }
        kw_tokenizer_free(t);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    const size_t million = 1000000;
    char *text = malloc(million);
    assert_non_null(text);
    for (size_t i = 0; i < 3; i++) {
        kw_tokenizer *t;
        int32_t *ids;
        size_t n;
        need_real(i, &t);
        check_ok(kw_tokenizer_encode(t, KW_STR(""), 0, &ids, &n, NULL), NULL);
        assert_int_equal(n, 0);
        assert_non_null(ids);
        free(ids);
        for (int byte = 0; byte < 256; byte++) {
            const char one = (char)byte;
            check_ok(kw_tokenizer_encode(t, (kw_str){&one, 1}, 0, &ids, &n, NULL), NULL);
            assert_true(n > 0);
            /* Bytes that are no character: themselves, or U+FFFD where the reference says so. */
            check_decode(t, "one byte", ids, n, false,
                         byte < 128 ? (kw_str){&one, 1} : KW_STR("\xEF\xBF\xBD"));
            free(ids);
        }
        static const char fills[] = {'a', ' ', '\n', '('};
        for (size_t k = 0; k < sizeof(fills); k++) {
            memset(text, fills[k], million);
            const clock_t start = clock();
            check_round_trip(t, (kw_str){text, million});
            const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
            if (seconds > 20.0)
                print_error("1 MB of byte %d: %.1f s\n", fills[k], seconds);
            assert_true(seconds < 20.0); /* it is well below one; n * n would be hours */
        }
        kw_tokenizer_free(t);
    }
    free(text);
}

static void test_too_long(void **state)
{
    (void)state;
    static const char *const texts[] = {"a"};
    kw_tokenizer *t = make(texts, NULL, NULL, 1, -1);
    int32_t *ids;
    size_t n;
    kw_error err;
    assert_int_equal(
        kw_tokenizer_encode(t, (kw_str){"a", KW_TEXT_MAX_BYTES + 1}, 0, &ids, &n, &err),
        KW_E_LIMIT);
    kw_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_slow_merging),
        cmocka_unit_test(test_unused),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
