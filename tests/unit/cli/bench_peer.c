/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bench_peer.c - reading another program's table, and the rows of a comparison. */
#include "cli/bench_peer.h"
#include "cli/bench_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t parse(const char *text, kw_peer_row *rows)
{
    return kw_peer_parse(text, strlen(text), rows);
}

static void reads_a_table(void **state)
{
    (void)state;
    kw_peer_row rows[KW_PEER_MAX_ROWS];
    const size_t n = parse("loading ...\n"
                           "| model | size | threads |          test |              t/s |\n"
                           "| ----- | ---: | ------: | ------------: | ---------------: |\n"
                           "| llama | 1 GB |       2 |         pp512 |    123.45 ± 1.20 |\n"
                           "| llama | 1 GB |       2 | tg32 @ d4096  |     36.50 ± 0.10 |\n"
                           "\nbuild: 1\n",
                           rows);
    assert_int_equal(n, 2);
    assert_string_equal(rows[0].test, "pp512");
    assert_int_equal(rows[0].n_threads, 2);
    assert_true(fabs(rows[0].rate - 123.45) < 1e-9);
    assert_string_equal(rows[1].test, "tg32 @ d4096");
    assert_true(fabs(rows[1].rate - 36.5) < 1e-9);
}

static void takes_other_columns(void **state)
{
    (void)state;
    kw_peer_row rows[KW_PEER_MAX_ROWS];
    assert_int_equal(parse("| test | t/s |\n|---|---|\n| pp8 | 5 |", rows), 1);
    assert_int_equal(rows[0].n_threads, 0);
    /* A second table has columns of its own. */
    assert_int_equal(
        parse("| test | t/s |\n| pp8 | 5 |\n| t/s | x | test |\n| 7 | y | tg8 |\n", rows), 2);
    assert_string_equal(rows[1].test, "tg8");
    assert_true(rows[1].rate == 7.0);
}

static void passes_over_what_is_no_row(void **state)
{
    (void)state;
    kw_peer_row rows[KW_PEER_MAX_ROWS];
    assert_int_equal(parse("", rows), 0);
    assert_int_equal(parse("|", rows), 0);
    assert_int_equal(parse("| pp8 | 5 |\n", rows), 0); /* no first line */
    assert_int_equal(parse("| test | t/s |\n| pp8 | fast |\n| pp8 | -1 |\n| | 3 |\n", rows), 0);
    assert_int_equal(parse("| test | t/s |\n| pp8 | inf |\n| pp8 | nan |\n| pp8\n", rows), 0);
    char many[KW_PEER_MAX_ROWS * 20 + 200] = "| test | t/s |\n";
    for (int i = 0; i < KW_PEER_MAX_ROWS + 5; i++)
        strcat(many, "| a | 1 |\n");
    assert_int_equal(parse(many, rows), KW_PEER_MAX_ROWS);
}

static void runs_a_command(void **state)
{
    (void)state;
    kw_peer_row rows[KW_PEER_MAX_ROWS];
    size_t n = 0;
    kw_error err = {0};
    assert_int_equal(kw_peer_run("printf '| test | t/s |\\n| pp8 | 5 |\\n'", rows, &n, &err),
                     KW_OK);
    assert_int_equal(n, 1);
    assert_int_equal(kw_peer_run("true", rows, &n, &err), KW_E_FORMAT);
    assert_int_equal(kw_peer_run("exit 3", rows, &n, &err), KW_E_IO);
    assert_non_null(strstr(err.message, "status 3"));
}

static void prints_medians_of_pairs(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    kw_out out = {.file = open_memstream(&text, &len), .last = '\n'};
    kw_loaded loaded = {.engine_info = {.n_threads = 2}};
    kw_bench_table table = {.out = &out, .loaded = &loaded, .format = "csv"};
    /* Two tests a round; this is the second one's column. */
    const double ours[] = {0, 30, 0, 10, 0, 20}, theirs[] = {0, 10, 0, 10, 0, 10};
    kw_bench_compare_begin(&table);
    kw_bench_compare_row(&table, "tg32", ours + 1, theirs + 1, 3, 2);
    assert_true(kw_out_flush(&out));
    assert_non_null(strstr(text, "2,\"tg32\",20.0000,10.0000,2.0000,1.0000,3.0000,3\n"));
    (void)fclose(out.file);
    free(text);
    const double even[] = {4, 1, 2, 3};
    assert_true(kw_bench_median(even, 4, 1) == 2.5);
    assert_true(kw_bench_median(even, 0, 1) == 0.0);
}

/* A tenth of the bandwidth, and of the dot products, that would be there. */
static void states_the_share_of_the_limit(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    kw_out out = {.file = open_memstream(&text, &len), .last = '\n'};
    kw_loaded loaded = {.info = {.description = "m",
                                 .size_bytes = 1000000000,
                                 .token_params = 900000000,
                                 .token_bytes = 900000000,
                                 .output_params = 100000000,
                                 .output_bytes = 100000000}};
    kw_bench_table table = {.out = &out, .loaded = &loaded, .format = "md"};
    const kw_probe probe = {.read_gbps_n = 20.0, .int8_gops_n = 2000.0};
    const uint64_t second = 1000000000;
    kw_bench_result r = {.test = "tg2",
                         .n_gen = 2,
                         .n_threads = 2,
                         .samples_ns = &second,
                         .n_samples = 1,
                         .probe = &probe};
    kw_bench_row(&table, &r); /* 2 of 20 tokens per second */
    r.test = "tg2 @ d9";
    r.depth = 9;
    r.cache_bytes = 1100000000; /* 11 positions, 10 of them held on average */
    kw_bench_row(&table, &r);   /* 2 of 10 */
    r = (kw_bench_result){.test = "pp100",
                          .n_prompt = 100,
                          .n_threads = 2,
                          .n_busy = 1,
                          .samples_ns = &second,
                          .n_samples = 1,
                          .probe = &probe};
    kw_bench_row(&table, &r); /* 100 of 2000 / 1.802 */
    assert_true(kw_out_flush(&out));
    assert_non_null(strstr(text, " 10 % of 20.0 GB/s |\n"));
    assert_non_null(strstr(text, " 20 % of 20.0 GB/s |\n"));
    assert_non_null(strstr(text, " pp100, 1 busy | "));
    assert_non_null(strstr(text, "  9 % of 2000 GOP/s |\n"));
    (void)fclose(out.file);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_table),
        cmocka_unit_test(takes_other_columns),
        cmocka_unit_test(passes_over_what_is_no_row),
        cmocka_unit_test(runs_a_command),
        cmocka_unit_test(prints_medians_of_pairs),
        cmocka_unit_test(states_the_share_of_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
