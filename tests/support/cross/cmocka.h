/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cmocka.h - the part of cmocka's interface that our tests use, for targets whose packages lack it.
 *
 * Only on the include path of a cross build (cmake/KwaaiTests.cmake). Same names, same output lines
 * and same exit status (the number of failed tests) as cmocka 1.1, so a test source serves both.
 * Written from the documented interface. No mocks, no leak checks, no signal handlers. */
#ifndef KW_TEST_CROSS_CMOCKA_H
#define KW_TEST_CROSS_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef int (*CMFixtureFunction)(void **state);

struct CMUnitTest {
    const char *name;
    void (*test_func)(void **state);
    CMFixtureFunction setup_func;
    CMFixtureFunction teardown_func;
    void *initial_state;
};

/* Where a failing or skipping test goes back to; one test runs at a time. */
static jmp_buf kw_cm_exit;
enum { KW_CM_FAILED = 1, KW_CM_SKIPPED = 2 };

#if defined(__GNUC__)
__attribute__((format(printf, 3, 4), noreturn))
#endif
static inline void
kw_cm_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("[  ERROR   ] --- ");
    vprintf(format, args);
    va_end(args);
    printf("\n[   LINE   ] --- %s:%d: error: Failure!\n", file, line);
    longjmp(kw_cm_exit, KW_CM_FAILED);
}

#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
static inline void
print_message(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
}
#define print_error print_message

static inline void kw_cm_true(int holds, const char *text, const char *file, int line)
{
    if (!holds)
        kw_cm_fail(file, line, "%s", text);
}

static inline void kw_cm_int(uintmax_t a, uintmax_t b, int equal, const char *file, int line)
{
    if ((a == b) != (equal != 0))
        kw_cm_fail(file, line, "0x%jx %s 0x%jx", a, equal ? "!=" : "==", b);
}

static inline void kw_cm_string(const char *a, const char *b, int equal, const char *file, int line)
{
    if ((strcmp(a, b) == 0) != (equal != 0))
        kw_cm_fail(file, line, "\"%s\" %s \"%s\"", a, equal ? "!=" : "==", b);
}

static inline void kw_cm_memory(const void *a, const void *b, size_t size, int equal,
                                const char *file, int line)
{
    const unsigned char *x = a, *y = b;
    size_t i = 0;
    while (i < size && x[i] == y[i])
        i++;
    if (equal && i < size)
        kw_cm_fail(file, line, "difference at offset %zu 0x%02x 0x%02x", i, x[i], y[i]);
    if (!equal && i == size)
        kw_cm_fail(file, line, "%zu bytes of memory are the same", size);
}

static inline void kw_cm_range(uintmax_t value, uintmax_t low, uintmax_t high, int inside,
                               const char *file, int line)
{
    if ((value >= low && value <= high) != (inside != 0))
        kw_cm_fail(file, line, "%ju is %s the range %ju-%ju", value,
                   inside ? "not within" : "within", low, high);
}

static inline void kw_cm_float(double a, double b, double epsilon, int equal, const char *file,
                               int line)
{
    const double distance = a > b ? a - b : b - a;
    if ((distance <= epsilon) != (equal != 0))
        kw_cm_fail(file, line, "%.9g %s %.9g", a, equal ? "!=" : "==", b);
}

#define assert_true(c) kw_cm_true((c) ? 1 : 0, #c, __FILE__, __LINE__)
#define assert_false(c) kw_cm_true((c) ? 0 : 1, "not " #c, __FILE__, __LINE__)
#define assert_non_null(p) kw_cm_true((p) != NULL, #p " is not null", __FILE__, __LINE__)
#define assert_null(p) kw_cm_true((p) == NULL, #p " is null", __FILE__, __LINE__)
#define assert_ptr_equal(a, b) kw_cm_int((uintptr_t)(a), (uintptr_t)(b), 1, __FILE__, __LINE__)
#define assert_ptr_not_equal(a, b) kw_cm_int((uintptr_t)(a), (uintptr_t)(b), 0, __FILE__, __LINE__)
#define assert_int_equal(a, b) kw_cm_int((uintmax_t)(a), (uintmax_t)(b), 1, __FILE__, __LINE__)
#define assert_int_not_equal(a, b) kw_cm_int((uintmax_t)(a), (uintmax_t)(b), 0, __FILE__, __LINE__)
#define assert_float_equal(a, b, e)                                                                \
    kw_cm_float((double)(a), (double)(b), (double)(e), 1, __FILE__, __LINE__)
#define assert_float_not_equal(a, b, e)                                                            \
    kw_cm_float((double)(a), (double)(b), (double)(e), 0, __FILE__, __LINE__)
#define assert_string_equal(a, b) kw_cm_string(a, b, 1, __FILE__, __LINE__)
#define assert_string_not_equal(a, b) kw_cm_string(a, b, 0, __FILE__, __LINE__)
#define assert_memory_equal(a, b, n) kw_cm_memory(a, b, n, 1, __FILE__, __LINE__)
#define assert_memory_not_equal(a, b, n) kw_cm_memory(a, b, n, 0, __FILE__, __LINE__)
#define assert_in_range(v, low, high)                                                              \
    kw_cm_range((uintmax_t)(v), (uintmax_t)(low), (uintmax_t)(high), 1, __FILE__, __LINE__)
#define assert_not_in_range(v, low, high)                                                          \
    kw_cm_range((uintmax_t)(v), (uintmax_t)(low), (uintmax_t)(high), 0, __FILE__, __LINE__)
#define fail() kw_cm_fail(__FILE__, __LINE__, "fail()")
#define fail_msg(...) kw_cm_fail(__FILE__, __LINE__, __VA_ARGS__)
#define skip() longjmp(kw_cm_exit, KW_CM_SKIPPED)

#define cmocka_unit_test(f) {#f, f, NULL, NULL, NULL}
#define cmocka_unit_test_setup(f, setup) {#f, f, setup, NULL, NULL}
#define cmocka_unit_test_teardown(f, teardown) {#f, f, NULL, teardown, NULL}
#define cmocka_unit_test_setup_teardown(f, setup, teardown) {#f, f, setup, teardown, NULL}
#define cmocka_unit_test_prestate(f, state) {#f, f, NULL, NULL, state}
#define cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, state)                        \
    {#f, f, setup, teardown, state}

/* Returns 0, KW_CM_FAILED or KW_CM_SKIPPED. */
static inline int kw_cm_run(const struct CMUnitTest *test, void *group_state)
{
    void *state = test->initial_state ? test->initial_state : group_state;
    void **const volatile where = &state;
    printf("[ RUN      ] %s\n", test->name);
    fflush(stdout);
    if (test->setup_func && test->setup_func(where) != 0)
        return KW_CM_FAILED;
    volatile int outcome = setjmp(kw_cm_exit);
    if (outcome == 0)
        test->test_func(where);
    if (test->teardown_func && test->teardown_func(where) != 0)
        outcome = KW_CM_FAILED;
    return outcome;
}

static inline int kw_cm_run_group(const char *name, const struct CMUnitTest *tests, size_t n,
                                  CMFixtureFunction setup, CMFixtureFunction teardown)
{
    void *state = NULL;
    int n_failed = 0;
    printf("[==========] %s: Running %zu test(s).\n", name, n);
    if (setup && setup(&state) != 0) {
        printf("[  FAILED  ] GROUP SETUP\n");
        return (int)n;
    }
    for (size_t i = 0; i < n; i++) {
        const int outcome = kw_cm_run(&tests[i], state);
        n_failed += outcome == KW_CM_FAILED;
        printf("%s %s\n",
               outcome == 0               ? "[       OK ]"
               : outcome == KW_CM_SKIPPED ? "[  SKIPPED ]"
                                          : "[  FAILED  ]",
               tests[i].name);
    }
    if (teardown && teardown(&state) != 0) {
        printf("[  FAILED  ] GROUP TEARDOWN\n");
        n_failed++;
    }
    printf("[==========] %s: %zu test(s) run.\n", name, n);
    return n_failed;
}

#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    kw_cm_run_group(#tests, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)
#define cmocka_run_group_tests_name(name, tests, setup, teardown)                                  \
    kw_cm_run_group(name, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)
#define _cmocka_run_group_tests(name, tests, n, setup, teardown)                                   \
    kw_cm_run_group(name, tests, n, setup, teardown)

#endif
