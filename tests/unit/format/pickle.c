/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pickle.c - the stack machine: plain values of every protocol, and what it refuses. */
#include "fixtures.h"

#include "format/pickle.h"

static const kw_pickle_global GLOBALS[] = {
    {"collections", "OrderedDict", KW_PICKLE_DICT, 0, 0},
    {"builtins", "set", KW_PICKLE_LIST, 1, 0},
    {"__builtin__", "set", KW_PICKLE_LIST, 1, 0},
    {"_codecs", "encode", KW_PICKLE_CALL, 2, 0},
    {0},
};

static kw_status read_bytes(const void *data, size_t len, kw_arena *arena, kw_pickle *out,
                            kw_error *err)
{
    return kw_pickle_read((kw_str){data, len}, GLOBALS, arena, out, err);
}

static void check_numbers(const kw_pickle_object *a)
{
    const int64_t ints[] = {1, 300, -5, 70000, INT64_C(1) << 40};
    assert_non_null(a);
    assert_int_equal(a->kind, KW_PICKLE_LIST);
    assert_int_equal(a->list.n, 10);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(a->list.items[i]->kind, KW_PICKLE_INT);
        assert_true(a->list.items[i]->i == ints[i]);
    }
    assert_int_equal(a->list.items[5]->kind, KW_PICKLE_LONG);
    assert_true(a->list.items[6]->kind == KW_PICKLE_FLOAT && a->list.items[6]->f == 1.5);
    assert_int_equal(a->list.items[7]->kind, KW_PICKLE_NONE);
    assert_true(a->list.items[8]->b && !a->list.items[9]->b);
}

/* What Python wrote of one value in protocols 2 to 5; 0 and 1 write the long number as text. */
static void every_protocol(void **state)
{
    (void)state;
    for (int protocol = 0; protocol <= 5; protocol++) {
        char path[1024];
        kw_map map;
        kw_arena arena = {0};
        kw_pickle pickle;
        kw_error err = {0};
        snprintf(path, sizeof path, "%s/tests/fuzz/corpus/fuzz_pickle/protocol%d", KW_SOURCE_DIR,
                 protocol);
        assert_int_equal(kw_map_open(path, false, &map, NULL), KW_OK);
        const kw_status status = read_bytes(map.data, map.len, &arena, &pickle, &err);
        if (protocol < 2) {
            assert_int_equal(status, KW_E_FORMAT);
            assert_non_null(strstr(err.message, "no number of 63 bits"));
        } else {
            if (status != KW_OK)
                fail_msg("protocol %d: %s", protocol, err.message);
            assert_int_equal(pickle.bytes, map.len);
            check_numbers(kw_pickle_get(pickle.root, "a"));
            assert_int_equal(kw_pickle_get(pickle.root, "b")->kind, KW_PICKLE_TUPLE);
            assert_int_equal(kw_pickle_get(pickle.root, "b")->list.n, 3);
            assert_non_null(kw_pickle_get(kw_pickle_get(pickle.root, "c"), "d"));
            assert_int_equal(kw_pickle_get(pickle.root, "e")->kind, KW_PICKLE_LIST);
            assert_null(kw_pickle_get(pickle.root, "f"));
        }
        kw_arena_free(&arena);
        kw_map_close(&map);
    }
}

static void text_protocol(void **state)
{
    (void)state;
    static const char text[] = "(dp0\nS'k'\np1\n(lp2\nI42\naI01\naL7L\naF2.5\naVtext\nag1\nas.";
    kw_arena arena = {0};
    kw_pickle pickle;
    kw_error err = {0};
    if (read_bytes(text, sizeof text - 1, &arena, &pickle, &err) != KW_OK)
        fail_msg("%s", err.message);
    const kw_pickle_object *const list = kw_pickle_get(pickle.root, "k");
    assert_true(list && list->list.n == 6);
    assert_true(list->list.items[0]->i == 42 && list->list.items[1]->b);
    assert_true(list->list.items[2]->i == 7 && list->list.items[3]->f == 2.5);
    assert_true(kw_str_is(list->list.items[4]->text, "text"));
    assert_true(kw_str_is(list->list.items[5]->text, "k"));
    kw_arena_free(&arena);
}

static void what_it_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *words;
    } cases[] = {
#define CASE(literal, words) {literal, sizeof(literal) - 1, words}
        CASE("cos\nsystem\n.", "it asks for os.system"),
        CASE("\x8c\x02os\x8c\x06system\x93.", "it asks for os.system"),
        CASE("\x80\x04"
             "c_codecs\nencode\nI1\nR.",
             "of what is no global, or without arguments"),
        CASE("I1\n)R.", "of what is no global"),
        CASE("(I1\nios\nsystem\n.", "the instruction INST"),
        CASE("(cos\nsystem\no.", "os.system"),
        CASE("(o.", "the instruction OBJ"),
        CASE("\x82\x01.", "the instruction EXT1"),
        CASE("P1\n.", "the instruction PERSID"),
        CASE("))\x92.", "the instruction NEWOBJ_EX"),
        CASE("\x97.", "the instruction NEXT_BUFFER"),
        CASE("\xff.", "0xff at 0 is no instruction"),
        CASE("\x80\x06N.", "protocol 6 (at most 5)"),
        CASE("\x95\xff\xff\xff\xff\xff\xff\xff\xffN.", "a frame of"),
        CASE("", "no STOP"),
        CASE("N", "no STOP"),
        CASE(".", "it stops with 0 items"),
        CASE("NN.", "it stops with 2 items"),
        CASE("N(.", "and 1 marks"),
        CASE("0.", "finds 0 of 1 items"),
        CASE("N(0.", "finds 0 of 1 items"),
        CASE("t.", "finds no mark"),
        CASE("Na.", "finds 1 of 2 items"),
        CASE("NNa.", "finds no list"),
        CASE("]NNs.", "finds no dict"),
        CASE("}(Nu.", "a key without a value"),
        CASE("h\x05.", "nothing was put into memo 5"),
        CASE("Nr\xff\xff\xff\xff.", "memo 4294967295 in a pickle of 7 bytes"),
        CASE("q\x01.", "finds 0 of 1 items"),
        CASE("X\xff\xff\xff\x7f"
             "a.",
             "past the end"),
        CASE("X\x01\x00\x00\x00\xff.", "is no UTF-8"),
        CASE("Ix\n.", "no number of 63 bits"),
        CASE("I99999999999999999999\n.", "no number of 63 bits"),
        CASE("Fx\n.", "is no number"),
        CASE("S'a\\n'\n.", "has escapes"),
        CASE("Sa\n.", "has no quotes"),
        CASE("Va", "does not end within"),
        CASE("]Nb.", "BUILD at 2 of what was not called"),
        CASE("ccollections\nOrderedDict\n]Na\x85R.", "has no pairs"),
        CASE("ccollections\nOrderedDict\nN\x85R.", "arguments that are no list"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kw_arena arena = {0};
        kw_pickle pickle;
        kw_error err = {0};
        char *const copy = malloc(cases[i].len + 1);
        assert_non_null(copy);
        memcpy(copy, cases[i].bytes, cases[i].len);
        const kw_status status = read_bytes(copy, cases[i].len, &arena, &pickle, &err);
        free(copy);
        kw_arena_free(&arena);
        if (status == KW_OK || !strstr(err.message, cases[i].words))
            fail_msg("case %zu: \"%s\" where \"%s\" was expected", i, err.message, cases[i].words);
    }
}

/* Calling set() on one list again and again makes much of little. */
static void work_is_bounded(void **state)
{
    (void)state;
    enum { N = 3000, REPEATS = 3000 };
    char *const bytes = malloc(40 + N + 8 * REPEATS);
    size_t n = 0;
    kw_arena arena = {0};
    kw_pickle pickle;
    kw_error err = {0};
    assert_non_null(bytes);
    memcpy(bytes, "cbuiltins\nset\nq\x01](", 18);
    n = 18;
    memset(bytes + n, 'N', N);
    n += N;
    memcpy(bytes + n,
           "eq\x02"
           "00",
           5);
    n += 5;
    for (int i = 0; i < REPEATS; i++, n += 7)
        memcpy(bytes + n, "h\x01h\x02\x85R0", 7);
    memcpy(bytes + n, "N.", 2);
    assert_int_equal(read_bytes(bytes, n + 2, &arena, &pickle, &err), KW_E_LIMIT);
    assert_non_null(strstr(err.message, "more than 4194304 objects"));
    kw_arena_free(&arena);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_protocol),
        cmocka_unit_test(text_protocol),
        cmocka_unit_test(what_it_refuses),
        cmocka_unit_test(work_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
