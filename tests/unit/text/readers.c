/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* readers.c - what the readers of vocabularies refuse, and with which words; folders; the rules of
 * GGUF keys; names of end tokens. */
#include "golden.h"

#include "text/vocab_rules.h"

#include <sys/stat.h>
#include <unistd.h>

typedef struct refusal {
    const char *text;
    kw_status status;
    const char *words;
} refusal;

typedef kw_status (*reader_fn)(kw_str text, const char *subject, kw_tokenizer **out, kw_error *err);

static void check_refusals(reader_fn read, const refusal *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        kw_tokenizer *t = NULL;
        kw_error err = {.message = ""};
        const kw_status status = read(kw_str_from(list[i].text), "test.file", &t, &err);
        if (status != list[i].status || !strstr(err.message, list[i].words))
            print_error("%s\n  status %d, \"%s\"; expected %d, \"%s\"\n", list[i].text, (int)status,
                        err.message, (int)list[i].status, list[i].words);
        assert_int_equal(status, list[i].status);
        assert_non_null(strstr(err.message, list[i].words));
        assert_null(t);
    }
}

#define MODEL(rest)                                                                                \
    "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]" rest
#define AFTER(rest) MODEL("}," rest "}")

static void test_json_refused(void **state)
{
    (void)state;
    static const refusal list[] = {
        {"", KW_E_FORMAT, "test.file"},
        {"[]", KW_E_FORMAT, "test.file"},
        {"{}", KW_E_FORMAT, "no vocab"},
        {"{\"model\":{}}", KW_E_FORMAT, "no vocab"},
        {"{\"model\":{\"vocab\":{\"a\":0}}}", KW_E_FORMAT, "no merges"},
        {"{\"model\":{\"type\":\"Words\",\"vocab\":{\"a\":0}}}", KW_E_UNSUPPORTED, "Words"},
        {"{\"model\":{\"vocab\":[[\"a\",0.5]],\"type\":\"WordPiece\"}}", KW_E_FORMAT, "no vocab"},
        {"{\"model\":{\"vocab\":{\"a\":0},\"type\":\"Unigram\"}}", KW_E_FORMAT, "no vocab"},
        {"{\"model\":{\"vocab\":[[\"a\"]]}}", KW_E_FORMAT, "number"},
        {"{\"model\":{\"vocab\":[\"a\"]}}", KW_E_FORMAT, "[text, score]"},
        {AFTER("\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"?\"}"),
         KW_E_FORMAT, "base64"},
        {AFTER("\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AQAAAAA=\"}"),
         KW_E_FORMAT, "charsmap"},
        {"{\"model\":{\"vocab\":{\"a\":-1},\"merges\":[]}}", KW_E_FORMAT, "negative"},
        {"{\"model\":{\"vocab\":{\"a\":2000000000},\"merges\":[]}}", KW_E_LIMIT, "too large"},
        {"{\"model\":{\"vocab\":{\"a\":1.5},\"merges\":[]}}", KW_E_FORMAT, "test.file"},
        {"{\"model\":{\"vocab\":{\"a\":\"b\"},\"merges\":[]}}", KW_E_FORMAT, "number"},
        {"{\"model\":{\"vocab\":{},\"merges\":[]}}", KW_E_FORMAT, "no tokens"},
        {"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[\"ab\"]}}", KW_E_FORMAT, "two tokens"},
        {"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}}", KW_E_FORMAT, "test.file"},
        {"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[[\"a\",\"b\",\"c\"]]}}", KW_E_FORMAT,
         "test.file"},
        {"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[7]}}", KW_E_FORMAT, "test.file"},
        {AFTER("\"normalizer\":{\"type\":\"Uppercase\"}"), KW_E_UNSUPPORTED,
         "normalizer \"Uppercase\""},
        {AFTER("\"normalizer\":{\"type\":\"Replace\",\"content\":\"\"}"), KW_E_FORMAT, "pattern"},
        {AFTER("\"pre_tokenizer\":{\"type\":\"Syllables\"}"), KW_E_UNSUPPORTED, "Syllables"},
        {AFTER("\"pre_tokenizer\":{\"type\":\"FixedLength\",\"length\":0}"), KW_E_FORMAT,
         "FixedLength"},
        {AFTER(
             "\"normalizer\":{\"type\":\"ByteLevel\"},\"pre_tokenizer\":{\"type\":\"ByteLevel\"}"),
         KW_E_UNSUPPORTED, "ByteLevel twice"},
        {AFTER("\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Nope\"}]}"),
         KW_E_UNSUPPORTED, "Nope"},
        {AFTER("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},\"behavior\":"
               "\"Isolated\"}"),
         KW_E_UNSUPPORTED, "pattern"},
        {AFTER("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"x\"},\"behavior\":"
               "\"Odd\"}"),
         KW_E_UNSUPPORTED, "Odd"},
        {AFTER("\"post_processor\":{\"type\":\"Other\"}"), KW_E_UNSUPPORTED, "Other"},
        {AFTER("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{"
               "\"id\":\"x\"}}]}"),
         KW_E_FORMAT, "post_processor"},
        {AFTER("\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"a\",9],\"sep\":[\"b\",1]"
               "}"),
         KW_E_FORMAT, "bos id 9"},
        {AFTER("\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},{\"type\":"
               "\"CTC\"}]}"),
         KW_E_UNSUPPORTED, "behind another \"CTC\""},
        {AFTER("\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},{\"type\":"
               "\"Strip\",\"content\":\" \",\"start\":3,\"stop\":0}]}"),
         KW_E_UNSUPPORTED, "Strip"},
        {AFTER("\"added_tokens\":[{\"content\":\"x\"}]"), KW_E_FORMAT, "no id"},
        {AFTER("\"added_tokens\":[{\"id\":99999999,\"content\":\"x\"}]"), KW_E_LIMIT, "too large"},
        {AFTER("\"added_tokens\":[7]"), KW_E_FORMAT, "no id"},
        {MODEL("}} x"), KW_E_FORMAT, "test.file"},
        {MODEL("}"), KW_E_FORMAT, "test.file"},
    };
    check_refusals(kw_tokenizer_from_json, list, sizeof(list) / sizeof(list[0]));
}

/* Every beginning of a good file is refused; nothing is left behind (the sanitizers look). */
static void check_prefixes(reader_fn read, kw_str text, size_t step)
{
    for (size_t len = 0; len < text.len; len += step) {
        kw_tokenizer *t = NULL;
        if (read((kw_str){text.data, len}, "test.file", &t, NULL) == KW_OK)
            kw_tokenizer_free(t);
    }
}

static void test_json_cut_off(void **state)
{
    (void)state;
    char path[PATH_SIZE];
    source_path("tests/golden/tokenizers/pipelines/metaspace-first.json", path);
    const kw_str text = read_file(path);
    kw_tokenizer *t;
    kw_error err;
    check_ok(kw_tokenizer_from_json(text, "whole", &t, &err), &err);
    kw_tokenizer_free(t);
    for (size_t len = 0; len + 2 < text.len; len += 13)
        assert_int_equal(kw_tokenizer_from_json((kw_str){text.data, len}, "cut", &t, NULL),
                         KW_E_FORMAT);
    free_text(text);
}

/* Pairs of an array may hold spaces, which the older form cannot write. */
static void test_json_pairs(void **state)
{
    (void)state;
    static const char text[] =
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\" \":1,\"a \":2,\"b\":3,\"a b\":4},"
        "\"merges\":[[\"a\",\" \"],[\"a \",\"b\"],[\"a\",\"missing\"]]}}";
    kw_tokenizer *t;
    kw_error err;
    int32_t *ids;
    size_t n;
    check_ok(kw_tokenizer_from_json(KW_STR(text), "pairs", &t, &err), &err);
    check_ok(kw_tokenizer_encode(t, KW_STR("a ba b"), 0, &ids, &n, &err), &err);
    assert_int_equal(n, 2);
    assert_int_equal(ids[0], 4);
    assert_int_equal(ids[1], 4);
    free(ids);
    kw_tokenizer_free(t);
}

static void test_tiktoken(void **state)
{
    (void)state;
    static const refusal list[] = {
        {"", KW_E_FORMAT, "no tokens"},
        {"\n\n", KW_E_FORMAT, "no tokens"},
        {"YQ==", KW_E_FORMAT, "line 1"},
        {"YQ== \n", KW_E_FORMAT, "line 1"},
        {"YQ== 0\nYg== x\n", KW_E_FORMAT, "line 2"},
        {"Y*== 0\n", KW_E_FORMAT, "line 1"},
        {"YYYYY 0\n", KW_E_FORMAT, "line 1"},
        {"YQ== 9\n", KW_E_FORMAT, "past the number"},
        {"YQ== 99999999999999999999\n", KW_E_FORMAT, "line 1"},
        {"YQ== 0\nYg== 0\n", KW_E_FORMAT, "taken"},
    };
    check_refusals(kw_tokenizer_from_tiktoken, list, sizeof(list) / sizeof(list[0]));
    kw_tokenizer *t;
    kw_error err;
    int32_t *ids;
    size_t n;
    check_ok(kw_tokenizer_from_tiktoken(KW_STR("YQ== 0\r\nYg== 1\r\nYWI= 2"), "ranks", &t, &err),
             &err);
    check_ok(kw_tokenizer_encode(t, KW_STR("abba"), 0, &ids, &n, &err), &err);
    assert_int_equal(n, 3);
    assert_int_equal(ids[0], 2);
    free(ids);
    kw_tokenizer_free(t);
}

static void test_sentencepiece(void **state)
{
    (void)state;
    kw_tokenizer *t = NULL;
    kw_error err;
    /* pieces: one of 3 bytes "abc" with score 1.0 and type 1; trainer: model_type BPE, no bos, unk
     * 0. */
    static const char good[] =
        "\x0A\x0C\x0A\x03"
        "abc\x15\x00\x00\x80\x3F\x18\x01"
        "\x12\x18\x18\x02\xC0\x02\x00\xC8\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"
        "\xD0\x02\xFF\xFF\xFF\xFF\x0F";
    static const char word[] = "\x0A\x05\x0A\x03"
                               "abc\x12\x02\x18\x03";
    static const char bad_kind[] = "\x0A\x07\x0A\x03"
                                   "abc\x18\x09";
    static const char wire7[] = "\x0A\x05\x0A\x03"
                                "abc\x17";
    static const char too_long[] = "\x0A\x7F\x0A\x03"
                                   "abc";
    static const char endless[] = "\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01";
    check_ok(kw_tokenizer_from_sentencepiece(KW_STR(good), "good", &t, &err), &err);
    assert_int_equal(kw_tokenizer_size(t), 1);
    assert_int_equal(kw_tokenizer_bos(t), -1);
    kw_tokenizer_free(t);
    t = NULL;
    static const struct {
        kw_str bytes;
        kw_status status;
        const char *words;
    } list[] = {
        {{"", 0}, KW_E_FORMAT, "no pieces"},
        {{word, sizeof(word) - 1}, KW_E_UNSUPPORTED, "type Word"},
        {{bad_kind, sizeof(bad_kind) - 1}, KW_E_FORMAT, "type 9"},
        {{wire7, sizeof(wire7) - 1}, KW_E_FORMAT, "breaks its rules"},
        {{too_long, sizeof(too_long) - 1}, KW_E_FORMAT, "past the end"},
        {{endless, sizeof(endless) - 1}, KW_E_FORMAT, "breaks its rules"},
    };
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        assert_int_equal(kw_tokenizer_from_sentencepiece(list[i].bytes, "bad", &t, &err),
                         list[i].status);
        assert_non_null(strstr(err.message, list[i].words));
        assert_null(t);
    }
    check_prefixes(kw_tokenizer_from_sentencepiece, KW_STR(good), 1);
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[PATH_SIZE];
    join_path(folder, name, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    fclose(file);
}

static void remove_file(const char *folder, const char *name)
{
    char path[PATH_SIZE];
    join_path(folder, name, path);
    remove(path);
}

#define PAIR_VOCAB                                                                                 \
    "{\"a\":0,\"b\":1,\"ab\":2,\"\\u0120\":3,\"<|endoftext|>\":4,\"e\":5,\"\\u00c3\":6,"           \
    "\"\\u00a9\":7}"

/* vocab.json with merges.txt and a tokenizer_config.json that adds tokens and names the class. */
static void test_folder_of_pair(void **state)
{
    (void)state;
    char folder[] = "/tmp/kw-text-XXXXXX";
    kw_tokenizer *t;
    kw_error err;
    int32_t *ids;
    size_t n;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(kw_tokenizer_from_path(folder, &t, &err), KW_E_NOTFOUND);
    assert_non_null(strstr(err.message, folder));
    write_file(folder, "vocab.json", PAIR_VOCAB);
    write_file(folder, "merges.txt", "#version: 0.2\r\na b\r\n\r\nb missing\n");
    check_ok(kw_tokenizer_from_path(folder, &t, &err), &err);
    assert_int_equal(kw_tokenizer_eos(t), 4);
    assert_true(kw_tokenizer_is_end(t, 4));
    check_ok(kw_tokenizer_encode(t, KW_STR("ab<|endoftext|>b"), KW_ENCODE_PARSE, &ids, &n, &err),
             &err);
    assert_int_equal(n, 3);
    assert_int_equal(ids[0], 2);
    assert_int_equal(ids[1], 4);
    assert_int_equal(ids[2], 1);
    free(ids);
    kw_tokenizer_free(t);
    write_file(folder, "tokenizer_config.json",
               "{\"tokenizer_class\":\"Qwen2Tokenizer\",\"eos_token\":{\"content\":\"<|im_end|>\"},"
               "\"add_bos_token\":false,\"add_eos_token\":true,\"added_tokens_decoder\":{\"8\":"
               "{\"content\":\"<|im_end|>\",\"special\":true},\"9\":{\"content\":\"ba\"},\"77\":"
               "{\"content\":\"far\"},\"x\":{\"content\":\"y\"}}}");
    check_ok(kw_tokenizer_from_path(folder, &t, &err), &err);
    assert_int_equal(kw_tokenizer_size(t), 10);
    assert_int_equal(kw_tokenizer_eos(t), 8);
    assert_true(kw_tokenizer_is_end(t, 4) && kw_tokenizer_is_end(t, 8));
    /* e and a combining accent are one character in NFC; "ba" is cut out; eos is added. */
    check_ok(kw_tokenizer_encode(t,
                                 KW_STR("e\xCC\x81"
                                        "bab"),
                                 KW_ENCODE_SPECIAL, &ids, &n, &err),
             &err);
    static const int32_t expected[] = {6, 7, 9, 1, 8};
    assert_int_equal(n, 5);
    assert_memory_equal(ids, expected, sizeof(expected));
    free(ids);
    kw_tokenizer_free(t);
    char path[PATH_SIZE];
    join_path(folder, "merges.txt", path);
    check_ok(kw_tokenizer_from_path(path, &t, &err), &err); /* either of the two names the pair */
    kw_tokenizer_free(t);
    write_file(folder, "tokenizer_config.json", "{\"x\":");
    assert_int_equal(kw_tokenizer_from_path(folder, &t, &err), KW_E_FORMAT);
    assert_non_null(strstr(err.message, "tokenizer_config.json"));
    write_file(folder, "merges.txt", "ab\n");
    assert_int_equal(kw_tokenizer_from_path(folder, &t, &err), KW_E_FORMAT);
    remove_file(folder, "vocab.json");
    remove_file(folder, "merges.txt");
    remove_file(folder, "tokenizer_config.json");
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(kw_tokenizer_from_path(folder, &t, &err), KW_E_NOTFOUND);
}

/* What surrounds a text: the template, unless the config says otherwise. */
static void test_config_over_template(void **state)
{
    (void)state;
    static const char json[] =
        AFTER("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{"
              "\"id\":\"b\"}},"
              "{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{\"b\":{\"ids\":[1]}}}");
    static const struct {
        const char *config;
        int32_t expected[3];
        size_t n;
    } cases[] = {
        {"{}", {1, 0}, 2},
        {"{\"add_bos_token\":false}", {0}, 1},
        {"{\"add_bos_token\":true,\"bos_token\":\"ab\"}", {2, 0}, 2},
        {"{\"add_eos_token\":true,\"eos_token\":\"b\"}", {1, 0, 1}, 3},
        {"{\"add_eos_token\":true}", {1, 0}, 2}, /* there is no eos */
        {"{\"bos_token\":null,\"eos_token\":\"unheard of\"}", {1, 0}, 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        kw_arena arena = {0};
        kw_vocab vocab;
        kw_tokenizer *t;
        kw_error err;
        int32_t *ids;
        size_t n;
        check_ok(kw_vocab_from_json(KW_STR(json), "json", &arena, &vocab, &err), &err);
        check_ok(
            kw_vocab_apply_config(kw_str_from(cases[i].config), "config", &arena, &vocab, &err),
            &err);
        check_ok(kw_tokenizer_create(&vocab, &t, &err), &err);
        check_ok(kw_tokenizer_encode(t, KW_STR("a"), KW_ENCODE_SPECIAL, &ids, &n, &err), &err);
        assert_int_equal(n, cases[i].n);
        assert_memory_equal(ids, cases[i].expected, n * sizeof(*ids));
        free(ids);
        kw_tokenizer_free(t);
        kw_arena_free(&arena);
    }
}

static void test_ggml_defaults(void **state)
{
    (void)state;
    static const kw_str tokens[] = {{"<unk>", 5}, {"<s>", 3}, {"</s>", 4}, {"a", 1}};
    static const float scores[] = {0, 0, 0, -1};
    static const int32_t types[] = {2, 3, 3, 0};
    kw_arena arena = {0};
    kw_ggml_vocab raw;
    kw_vocab vocab;
    kw_error err;
    bool warning = true;
    kw_ggml_vocab_init(&raw);
    raw.model = KW_STR("llama");
    raw.n_tokens = 4;
    raw.tokens = tokens;
    raw.scores = scores;
    raw.types = types;
    check_ok(kw_vocab_from_ggml(&raw, &arena, &vocab, &warning, &err), &err);
    assert_false(warning);
    assert_int_equal(vocab.kind, KW_VOCAB_SPM_BPE);
    assert_int_equal(vocab.unk, 0);
    assert_int_equal(vocab.bos, 1);
    assert_int_equal(vocab.eos, 2);
    assert_int_equal(vocab.pad, -1);
    assert_true(vocab.add_bos && !vocab.add_eos && vocab.add_space_prefix);
    assert_int_equal(vocab.kinds[3], KW_TOKEN_NORMAL); /* "undefined" in the file */
    raw.add_bos = 0;
    raw.add_eos = 1;
    raw.add_space_prefix = 0;
    raw.bos = UINT32_MAX; /* as some writers store -1 */
    raw.eos = 3;
    check_ok(kw_vocab_from_ggml(&raw, &arena, &vocab, NULL, &err), &err);
    assert_true(!vocab.add_bos && vocab.add_eos && !vocab.add_space_prefix);
    assert_int_equal(vocab.bos, -1);
    assert_int_equal(vocab.eos, 3);
    raw.eos = 4;
    assert_int_equal(kw_vocab_from_ggml(&raw, &arena, &vocab, NULL, &err), KW_E_FORMAT);
    assert_non_null(strstr(err.message, "eos_token_id 4"));
    raw.eos = -7;
    assert_int_equal(kw_vocab_from_ggml(&raw, &arena, &vocab, NULL, &err), KW_E_FORMAT);
    raw.eos = KW_GGML_ABSENT;
    raw.model = KW_STR("rwkv");
    assert_int_equal(kw_vocab_from_ggml(&raw, &arena, &vocab, NULL, &err), KW_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "rwkv"));
    raw.model = KW_STR("t5");
    raw.scores = NULL;
    assert_int_equal(kw_vocab_from_ggml(&raw, &arena, &vocab, NULL, &err), KW_E_FORMAT);
    assert_non_null(strstr(err.message, "scores"));
    raw.scores = scores;
    check_ok(kw_vocab_from_ggml(&raw, &arena, &vocab, NULL, &err), &err);
    assert_int_equal(vocab.kind, KW_VOCAB_UNIGRAM);
    assert_int_equal(vocab.unk, 2);
    assert_true(!vocab.add_bos && vocab.add_eos && vocab.squeeze_spaces);
    raw.model = KW_STR("gpt2");
    assert_int_equal(kw_vocab_from_ggml(&raw, &arena, &vocab, NULL, &err), KW_E_FORMAT);
    assert_non_null(strstr(err.message, "merges"));
    kw_arena_free(&arena);
}

/* Every known way to cut text makes a tokenizer, and an unknown one is GPT-2's with a warning. */
static void test_ggml_ways(void **state)
{
    (void)state;
    static const char *const names[] = {
        "gpt-2",  "llama-bpe",   "llama3", "qwen2", "falcon",  "starcoder", "gpt-4o",
        "tekken", "deepseek-v3", "qwen35", "",      "default", "unheard-of"};
    static const kw_str tokens[] = {{"a", 1}, {"1", 1}, {"a1", 2}, {"11", 2}, {"\xC4\xA0", 2}};
    static const kw_str merges[] = {{"a 1", 3}, {"1 1", 3}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        kw_arena arena = {0};
        kw_ggml_vocab raw;
        kw_vocab vocab;
        kw_tokenizer *t;
        kw_error err;
        bool warning;
        int32_t *ids;
        size_t n;
        kw_ggml_vocab_init(&raw);
        raw.model = KW_STR("gpt2");
        raw.pre = kw_str_from(names[i]);
        raw.n_tokens = 5;
        raw.tokens = tokens;
        raw.merges = merges;
        raw.n_merges = 2;
        check_ok(kw_vocab_from_ggml(&raw, &arena, &vocab, &warning, &err), &err);
        assert_int_equal(warning, i >= 10);
        assert_int_equal(vocab.add_bos, i == 1 || i == 2 || i == 7);
        check_ok(kw_tokenizer_create(&vocab, &t, &err), &err);
        check_ok(kw_tokenizer_encode(t, KW_STR("a11 a"), 0, &ids, &n, &err), &err);
        const bool single = i == 3 || i == 5 || i == 7 || i == 9; /* digits one by one */
        assert_int_equal(n, single ? 5 : 4);
        assert_int_equal(ids[1], single ? 1 : 3);
        free(ids);
        kw_tokenizer_free(t);
        kw_arena_free(&arena);
    }
}

static void test_ends(void **state)
{
    (void)state;
    static const kw_str tokens[] = {
        {"a", 1}, {"</s>", 4}, {"<|im_end|>", 10}, {"<end_of_turn>", 13}, {"<|eot_id|>", 10},
        {"x", 1}, {"y", 1}};
    static const uint8_t kinds[] = {KW_TOKEN_NORMAL,  KW_TOKEN_USER,   KW_TOKEN_USER,
                                    KW_TOKEN_CONTROL, KW_TOKEN_NORMAL, KW_TOKEN_NORMAL,
                                    KW_TOKEN_NORMAL};
    kw_vocab vocab;
    kw_tokenizer *t;
    kw_error err;
    kw_vocab_defaults(&vocab, KW_VOCAB_BYTE_BPE);
    vocab.n_tokens = 7;
    vocab.tokens = tokens;
    vocab.kinds = kinds;
    vocab.eos = 5;
    vocab.eot = 6;
    check_ok(kw_tokenizer_create(&vocab, &t, &err), &err);
    static const bool expected[] = {false, false, true, true, false, true, true};
    for (int32_t id = 0; id < 7; id++)
        assert_int_equal(kw_tokenizer_is_end(t, id), expected[id]);
    assert_int_equal(kw_tokenizer_find(t, KW_STR("</s>")), 1);
    assert_int_equal(kw_tokenizer_find(t, KW_STR("none")), -1);
    assert_true(kw_str_is(kw_tokenizer_piece(t, 3), "<end_of_turn>"));
    kw_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_refused),
        cmocka_unit_test(test_json_cut_off),
        cmocka_unit_test(test_json_pairs),
        cmocka_unit_test(test_tiktoken),
        cmocka_unit_test(test_sentencepiece),
        cmocka_unit_test(test_folder_of_pair),
        cmocka_unit_test(test_config_over_template),
        cmocka_unit_test(test_ggml_defaults),
        cmocka_unit_test(test_ggml_ways),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
