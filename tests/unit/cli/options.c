/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* options.c - parsing by the option table: spellings, order, environment, mistakes; and the table's
 * own rules. */
#include "cli/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ARGS 16

static char *no_env(const char *name)
{
    (void)name;
    return NULL;
}

static char *some_env(const char *name)
{
    static char temp[] = "0.25", verbose[] = "on", empty[] = "", model[] = "env.gguf";
    if (strcmp(name, "KWAAI_TEMP") == 0)
        return temp;
    if (strcmp(name, "KWAAI_VERBOSE") == 0)
        return verbose;
    if (strcmp(name, "KWAAI_MODEL") == 0)
        return model;
    return strcmp(name, "KWAAI_TOP_K") == 0 ? empty : NULL;
}

static char *bad_env(const char *name)
{
    static char bad[] = "warm";
    return strcmp(name, "KWAAI_TEMP") == 0 ? bad : NULL;
}

/* Parses words ended by NULL. */
static kw_status parse_with(uint64_t command, kw_env_fn env, kw_parsed *out, kw_error *err,
                            va_list words)
{
    static char storage[MAX_ARGS][128];
    char *argv[MAX_ARGS];
    int argc = 0;
    for (const char *w = va_arg(words, const char *); w; w = va_arg(words, const char *)) {
        assert_true(argc < MAX_ARGS);
        (void)snprintf(storage[argc], sizeof storage[argc], "%s", w);
        argv[argc] = storage[argc];
        argc++;
    }
    return kw_options_parse(command, argc, argv, env, out, err);
}

static kw_parsed parse(uint64_t command, kw_env_fn env, ...)
{
    kw_parsed parsed;
    kw_error err = {0};
    va_list words;
    va_start(words, env);
    if (parse_with(command, env, &parsed, &err, words) != KW_OK)
        fail_msg("%s", err.message);
    va_end(words);
    return parsed;
}

/* The words must be refused with a message that holds `says`. */
static void refuse(uint64_t command, kw_env_fn env, const char *says, ...)
{
    kw_parsed parsed;
    kw_error err = {0};
    va_list words;
    va_start(words, says);
    assert_int_equal(parse_with(command, env, &parsed, &err, words), KW_E_ARG);
    va_end(words);
    if (!strstr(err.message, says))
        fail_msg("\"%s\" does not say \"%s\"", err.message, says);
    kw_parsed_free(&parsed);
}

static void test_spellings(void **state)
{
    (void)state;
    kw_parsed p = parse(KW_CMD_RUN, no_env, "--temp", "0.5", "--top-k=7", "-n5", "-c", "99", "-vi",
                        "--seed=-1", "--n-predict", "6", (char *)NULL);
    assert_true(p.options.temp == 0.5);
    assert_int_equal(p.options.top_k, 7);
    assert_int_equal(p.options.predict, 6); /* the last one counts */
    assert_int_equal(p.options.context, 99);
    assert_int_equal(p.options.seed, -1);
    assert_int_equal(p.options.verbose, 1);
    assert_int_equal(p.options.interactive, 1);
    assert_int_equal(p.n_args, 0);
    kw_parsed_free(&p);
}

static void test_defaults(void **state)
{
    (void)state;
    kw_parsed p = parse(KW_CMD_RUN, no_env, (char *)NULL);
    assert_true(p.options.temp == 0.8);
    assert_true(p.options.top_p == 0.95);
    assert_true(p.options.min_p == 0.05);
    assert_true(p.options.repeat_penalty == 1.0);
    assert_int_equal(p.options.top_k, 40);
    assert_int_equal(p.options.predict, -1);
    assert_int_equal(p.options.mmap, 1);
    assert_string_equal(p.options.cache_type, "f16");
    assert_null(p.options.model);
    assert_int_equal(kw_options_source(&p, "temp"), KW_FROM_DEFAULT);
    kw_parsed_free(&p);
}

static void test_flags(void **state)
{
    (void)state;
    kw_parsed p = parse(KW_CMD_RUN, no_env, "--no-mmap", "--verbose=false", "--no-display-prompt",
                        "-cnv", (char *)NULL);
    assert_int_equal(p.options.mmap, 0);
    assert_int_equal(p.options.verbose, 0);
    assert_int_equal(p.options.display_prompt, 0);
    assert_int_equal(p.options.interactive, 1);
    kw_parsed_free(&p);
    p = parse(KW_CMD_RUN, no_env, "-i", "-no-cnv", "--no-mmap=off", (char *)NULL);
    assert_int_equal(p.options.interactive, 0);
    assert_int_equal(p.options.mmap, 1);
    kw_parsed_free(&p);
}

static void test_arguments(void **state)
{
    (void)state;
    kw_parsed p = parse(KW_CMD_RUN, no_env, "m.gguf", "-n", "3", "-", "-5", "-.5", "--", "--temp",
                        "-v", (char *)NULL);
    assert_int_equal(p.n_args, 6);
    assert_string_equal(p.args[0], "m.gguf");
    assert_string_equal(p.args[1], "-");
    assert_string_equal(p.args[2], "-5");
    assert_string_equal(p.args[3], "-.5");
    assert_string_equal(p.args[4], "--temp");
    assert_string_equal(p.args[5], "-v");
    assert_int_equal(p.options.verbose, 0);
    kw_parsed_free(&p);
}

static void test_lists(void **state)
{
    (void)state;
    kw_parsed p =
        parse(KW_CMD_RUN, no_env, "--stop", "a", "-r", "b", "--reverse-prompt=c=d", (char *)NULL);
    assert_int_equal(p.options.stop.n, 3);
    assert_string_equal(p.options.stop.items[0], "a");
    assert_string_equal(p.options.stop.items[1], "b");
    assert_string_equal(p.options.stop.items[2], "c=d");
    kw_parsed_free(&p);
}

static void test_environment(void **state)
{
    (void)state;
    kw_parsed p = parse(KW_CMD_RUN, some_env, (char *)NULL);
    assert_true(p.options.temp == 0.25);
    assert_int_equal(p.options.verbose, 1);
    assert_int_equal(p.options.top_k, 40); /* empty counts as unset */
    assert_string_equal(p.options.model, "env.gguf");
    assert_int_equal(kw_options_source(&p, "temp"), KW_FROM_ENVIRONMENT);
    kw_parsed_free(&p);
    p = parse(KW_CMD_RUN, some_env, "--temp", "1", "--no-verbose", (char *)NULL);
    assert_true(p.options.temp == 1.0);
    assert_int_equal(p.options.verbose, 0);
    assert_int_equal(kw_options_source(&p, "temp"), KW_FROM_FLAG);
    kw_parsed_free(&p);
    refuse(KW_CMD_RUN, bad_env, "KWAAI_TEMP: \"warm\"", (char *)NULL);
    p = parse(KW_CMD_DOCTOR, bad_env, (char *)NULL); /* not an option of this command */
    kw_parsed_free(&p);
}

static void test_mistakes(void **state)
{
    (void)state;
    refuse(KW_CMD_RUN, no_env, "did you mean --temp?", "--tmep", "1", (char *)NULL);
    refuse(KW_CMD_RUN, no_env, "did you mean --temperature?", "--temperatur", (char *)NULL);
    refuse(KW_CMD_RUN, no_env, "did you mean --no-mmap?", "--no-map", (char *)NULL);
    refuse(KW_CMD_RUN, no_env, "unknown option --zzzzzz", "--zzzzzz", (char *)NULL);
    refuse(KW_CMD_RUN, no_env, "unknown option -q", "-q", (char *)NULL);
    refuse(KW_CMD_RUN, no_env, "needs a value", "--temp", (char *)NULL);
    refuse(KW_CMD_RUN, no_env, "not a number", "--temp", "hot", (char *)NULL);
    refuse(KW_CMD_RUN, no_env, "not a number", "--temp", "", (char *)NULL);
    refuse(KW_CMD_RUN, no_env, "out of range", "--temp", "-1", (char *)NULL);
    refuse(KW_CMD_RUN, no_env, "out of range", "--temp", "nan", (char *)NULL);
    refuse(KW_CMD_RUN, no_env, "out of range", "--top-p", "1.5", (char *)NULL);
    refuse(KW_CMD_RUN, no_env, "not a whole number", "-n", "2.5", (char *)NULL);
    refuse(KW_CMD_RUN, no_env, "out of range", "-n", "99999999999999999999", (char *)NULL);
    refuse(KW_CMD_RUN, no_env, "none of: f16 bf16 f32", "--cache-type", "q4_0", (char *)NULL);
    refuse(KW_CMD_RUN, no_env, "neither true nor false", "--json=maybe", (char *)NULL);
    refuse(KW_CMD_DOCTOR, no_env, "unknown option --temp", "--temp", "1", (char *)NULL);
}

static void test_set(void **state)
{
    (void)state;
    kw_error err = {0};
    kw_parsed p = parse(KW_CMD_RUN, no_env, (char *)NULL);
    assert_int_equal(kw_options_set(KW_CMD_RUN, "temp", "0.1", &p, &err), KW_OK);
    assert_true(p.options.temp == 0.1);
    assert_int_equal(kw_options_set(KW_CMD_RUN, "n", "12", &p, &err), KW_OK);
    assert_int_equal(p.options.predict, 12);
    assert_int_equal(kw_options_set(KW_CMD_RUN, "temp", "x", &p, &err), KW_E_ARG);
    assert_int_equal(kw_options_set(KW_CMD_RUN, "model", "x", &p, &err), KW_E_ARG);
    assert_int_equal(kw_options_set(KW_CMD_RUN, "nothing", "1", &p, &err), KW_E_ARG);
    assert_true(p.options.temp == 0.1);
    kw_parsed_free(&p);
}

static void test_ints(void **state)
{
    (void)state;
    int64_t *numbers;
    size_t n;
    kw_error err;
    const char *text = " [1, 2,\n-3] ";
    assert_int_equal(kw_parse_ints(text, strlen(text), -5, 9, "x", &numbers, &n, &err), KW_OK);
    assert_int_equal(n, 3);
    assert_int_equal(numbers[0], 1);
    assert_int_equal(numbers[2], -3);
    free(numbers);
    assert_int_equal(kw_parse_ints("", 0, 0, 1, "x", &numbers, &n, &err), KW_OK);
    assert_int_equal(n, 0);
    free(numbers);
    assert_int_equal(kw_parse_ints("1,x", 3, 0, 9, "x", &numbers, &n, &err), KW_E_ARG);
    assert_int_equal(kw_parse_ints("10", 2, 0, 9, "x", &numbers, &n, &err), KW_E_ARG);
    text = "99999999999999999999999999999999";
    assert_int_equal(kw_parse_ints(text, strlen(text), 0, INT64_MAX, "x", &numbers, &n, &err),
                     KW_E_ARG);
    char many[400] = "";
    for (int i = 0; i < 100; i++)
        strcat(many, "7 ");
    assert_int_equal(kw_parse_ints(many, strlen(many), 0, 9, "x", &numbers, &n, &err), KW_OK);
    assert_int_equal(n, 100);
    assert_int_equal(numbers[99], 7);
    free(numbers);
}

/* Every default parses, no spelling means two things within one command. */
static void test_table(void **state)
{
    (void)state;
    assert_true(kw_n_options <= KW_MAX_OPTIONS);
    for (uint64_t bit = 1; bit <= KW_CMD_VERSION; bit <<= 1) {
        kw_parsed p = parse(bit, no_env, (char *)NULL);
        kw_parsed_free(&p);
        for (size_t i = 0; i < kw_n_options; i++) {
            for (size_t j = 0; j < i; j++) {
                const kw_option *a = &kw_option_table[i], *b = &kw_option_table[j];
                if ((a->commands & b->commands & bit) == 0)
                    continue;
                assert_string_not_equal(a->name, b->name);
                if (a->letter && a->letter == b->letter)
                    fail_msg("-%c is both --%s and --%s", a->letter, a->name, b->name);
            }
        }
    }
    for (size_t i = 0; i < kw_n_options; i++) {
        const kw_option *o = &kw_option_table[i];
        assert_non_null(o->help);
        assert_true(kw_option_takes_value(o) == (o->meta != NULL));
        assert_true(o->kind != KW_OPT_CHOICE || o->choices);
        assert_true((o->kind != KW_OPT_INT && o->kind != KW_OPT_REAL) || o->max > o->min);
    }
    char name[32];
    for (size_t i = 0; i < kw_n_options; i++) {
        if (strcmp(kw_option_table[i].name, "top-k") == 0)
            kw_option_env_name(&kw_option_table[i], name, sizeof name);
    }
    assert_string_equal(name, "KWAAI_TOP_K");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings), cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_flags),     cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_lists),     cmocka_unit_test(test_environment),
        cmocka_unit_test(test_mistakes),  cmocka_unit_test(test_set),
        cmocka_unit_test(test_ints),      cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
