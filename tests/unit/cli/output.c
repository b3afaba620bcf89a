/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* output.c - JSON, harmless text, numbers for people, escapes, statistics of the bench. */
#include "cli/output.h"
#include "cli/bench_table.h"
#include "cli/input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct memory {
    kw_out out;
    char *text;
    size_t len;
} memory;

static void open_memory(memory *m)
{
    *m = (memory){.text = NULL};
    FILE *file = open_memstream(&m->text, &m->len);
    assert_non_null(file);
    m->out = (kw_out){.file = file, .last = '\n'};
}

static void closes_with(memory *m, const char *text)
{
    assert_true(kw_out_flush(&m->out));
    assert_string_equal(m->text, text);
    (void)fclose(m->out.file);
    free(m->text);
}

static void test_json_line(void **state)
{
    (void)state;
    memory m;
    open_memory(&m);
    kw_json_writer w = {.out = &m.out};
    kw_json_open(&w, NULL, '{');
    kw_json_puts(&w, "a", "x\"\\\n\001\xff");
    kw_json_int(&w, "b", -5);
    kw_json_real(&w, "c", 0.5);
    kw_json_real(&w, "d", (double)NAN);
    kw_json_bool(&w, "e", true);
    kw_json_puts(&w, "f", NULL);
    kw_json_open(&w, "g", '[');
    kw_json_int(&w, NULL, 1);
    kw_json_int(&w, NULL, 2);
    kw_json_close(&w, ']');
    kw_json_close(&w, '}');
    kw_json_open(&w, NULL, '{'); /* a second line */
    kw_json_close(&w, '}');
    closes_with(&m, "{\"a\": \"x\\\"\\\\\\n\\u0001\\ufffd\", \"b\": -5, \"c\": 0.5, \"d\": null, "
                    "\"e\": true, \"f\": null, \"g\": [1, 2]}\n{}\n");
}

static void test_json_pretty(void **state)
{
    (void)state;
    memory m;
    open_memory(&m);
    kw_json_writer w = {.out = &m.out, .pretty = true};
    kw_json_open(&w, NULL, '{');
    kw_json_open(&w, "list", '[');
    kw_json_open(&w, NULL, '{');
    kw_json_int(&w, "n", 1);
    kw_json_close(&w, '}');
    kw_json_close(&w, ']');
    kw_json_open(&w, "none", '[');
    kw_json_close(&w, ']');
    kw_json_close(&w, '}');
    closes_with(&m, "{\n  \"list\": [\n    {\n      \"n\": 1\n    }\n  ],\n  \"none\": []\n}\n");
}

static void test_foreign(void **state)
{
    (void)state;
    memory m;
    open_memory(&m);
    const char *text = "a\033[31m\tb\n\xC2\x9B\xC3\xA9\xff\x7f";
    kw_out_foreign(&m.out, text, strlen(text)); /* no terminal: byte for byte */
    closes_with(&m, text);
    open_memory(&m);
    m.out.tty = true;
    kw_out_foreign(&m.out, text, strlen(text));
    closes_with(&m, "a\xEF\xBF\xBD[31m\tb\n\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD");
}

static void test_full_disk(void **state)
{
    (void)state;
    kw_out out;
    FILE *file = fopen("/dev/full", "w");
    if (!file) {
        print_message("no /dev/full here\n");
        skip();
    }
    kw_out_init(&out, file);
    kw_out_printf(&out, "%d\n", 1);
    assert_false(kw_out_flush(&out));
    assert_int_equal(out.error, ENOSPC);
    kw_out_puts(&out, "more");
    assert_int_equal(out.error, ENOSPC);
    (void)fclose(file);
}

static void test_long_text(void **state)
{
    (void)state;
    memory m;
    char text[2000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    open_memory(&m);
    kw_out_printf(&m.out, "%s", text);
    closes_with(&m, text);
}

static void test_numbers(void **state)
{
    (void)state;
    char t[16];
    assert_string_equal(kw_print_bytes(0, t), "0 B");
    assert_string_equal(kw_print_bytes(1536, t), "1.50 KiB");
    assert_string_equal(kw_print_bytes(UINT64_MAX, t), "16.00 EiB");
    assert_string_equal(kw_print_count(999, t), "999");
    assert_string_equal(kw_print_count(1100048384, t), "1.10 B");
    assert_string_equal(kw_print_ns(12345678, t), "12.3 ms");
    assert_string_equal(kw_print_ns(2500000000u, t), "2.50 s");
}

static void expect_escape(const char *from, const char *to)
{
    kw_buf out = {0};
    kw_input_unescape(from, strlen(from), &out);
    assert_string_equal(out.data ? out.data : "", to);
    kw_buf_free(&out);
}

static void test_escapes(void **state)
{
    (void)state;
    expect_escape("plain", "plain");
    expect_escape("a\\nb\\tc\\\\n", "a\nb\tc\\n");
    expect_escape("\\x41\\u00e9\\u4f60", "A\xC3\xA9\xE4\xBD\xA0");
    expect_escape("\\q\\x4\\u12", "\\q\\x4\\u12"); /* no escape: as it is */
    expect_escape("end\\", "end\\");
    expect_escape("\\ud800", "\\ud800"); /* no character */
}

static void test_statistics(void **state)
{
    (void)state;
    double mean, deviation;
    const double values[] = {2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0};
    kw_bench_stats(values, 8, &mean, &deviation);
    assert_true(fabs(mean - 5.0) < 1e-12);
    assert_true(fabs(deviation - sqrt(32.0 / 7.0)) < 1e-12);
    kw_bench_stats(values, 1, &mean, &deviation);
    assert_true(mean == 2.0 && deviation == 0.0);
    const uint64_t ns[] = {500000000u, 250000000u};
    double rates[2];
    const kw_bench_result result = {.n_prompt = 100, .samples_ns = ns, .n_samples = 2};
    kw_bench_rates(&result, rates);
    assert_true(fabs(rates[0] - 200.0) < 1e-9 && fabs(rates[1] - 400.0) < 1e-9);
}

static void test_rows(void **state)
{
    (void)state;
    memory m;
    const uint64_t ns[] = {500000000u, 500000000u};
    const kw_bench_result result = {.test = "tg50",
                                    .n_gen = 50,
                                    .n_threads = 2,
                                    .samples_ns = ns,
                                    .n_samples = 2,
                                    .time = "now"};
    kw_loaded loaded = {.engine_info = {.isa = "avx2"}};
    loaded.info.description = "llama 1B Q4_0";
    loaded.info.size_bytes = 1 << 20;
    loaded.info.n_params = 1000000;
    open_memory(&m);
    kw_bench_table table = {.out = &m.out,
                            .loaded = &loaded,
                            .path = "a,\"b\"",
                            .cpu = "cpu",
                            .cache_type = "f16",
                            .format = "csv",
                            .batch = 512};
    kw_bench_begin(&table);
    kw_bench_row(&table, &result);
    kw_bench_end(&table);
    assert_true(kw_out_flush(&m.out));
    assert_non_null(strstr(m.text, "model_filename"));
    assert_non_null(strstr(m.text, "\"a,\"\"b\"\"\""));
    assert_non_null(strstr(m.text, ",0,50,0,0,\"tg50\",\"now\",500000000,0,100,0,,,\n"));
    (void)fclose(m.out.file);
    free(m.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_line), cmocka_unit_test(test_json_pretty),
        cmocka_unit_test(test_foreign),   cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_long_text), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_escapes),   cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
