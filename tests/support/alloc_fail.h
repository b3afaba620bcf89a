/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* alloc_fail.h - counts allocations and makes chosen ones fail; for tests in tests/alloc/.
 *
 * Those tests are linked with --wrap for malloc, calloc, realloc, aligned_alloc, posix_memalign,
 * strdup, realpath and mmap, so every call made by the library's own objects (not by libc or other
 * shared libraries) comes through here. munmap and free are not wrapped: a leak is seen by
 * kw_alloc_live, which balances malloc's family only, because free is wrapped to count and nothing
 * else.
 *
 * The usual test runs one operation until it succeeds, failing one allocation more each time:
 *
 *     for (long n = 1; n < 10000; n++) {
 *         const long live = kw_alloc_live();
 *         kw_alloc_fail_at(n);                        // the n-th from now, once
 *         kw_status status = operation(&result, &err);
 *         const bool failed = kw_alloc_stop();        // did the n-th happen?
 *         if (!failed) {                              // fewer than n allocations: it is through
 *             assert_int_equal(status, KW_OK);
 *             release(result);
 *             return;
 *         }
 *         if (status == KW_OK) release(result);       // a fallback is allowed
 *         else assert_int_equal(status, KW_E_NOMEM);
 *         assert_int_equal(kw_alloc_live(), live);    // nothing leaked
 *     }
 *     fail_msg("needs more than 10000 allocations");
 *
 * "Nothing allocates in run": kw_alloc_start(); run(); assert_int_equal(kw_alloc_count(), 0).
 * All threads are counted together. */
#ifndef KW_TEST_ALLOC_FAIL_H
#define KW_TEST_ALLOC_FAIL_H

#include <stdbool.h>

/* The n-th allocation from now fails, once; n = 1 is the next. Also starts the count at 0. */
void kw_alloc_fail_at(long n);
/* The n-th allocation from now and all after it fail, until kw_alloc_stop. */
void kw_alloc_fail_from(long n);
/* Starts the count at 0; nothing fails. */
void kw_alloc_start(void);
/* Allocations since the last start or fail. */
long kw_alloc_count(void);
/* Whether one was made to fail since then. */
bool kw_alloc_hit(void);
/* Nothing fails any more; true when an allocation was made to fail. */
bool kw_alloc_stop(void);
/* Blocks of malloc's family that are allocated by wrapped callers and not freed, since the start of
 * the process. */
long kw_alloc_live(void);

#endif
