/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* alloc_each.h - runs an operation again and again, failing one allocation more each time (see
 * alloc_fail.h), until it comes through with none. */
#ifndef KW_TEST_ALLOC_EACH_H
#define KW_TEST_ALLOC_EACH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/error.h"

/* Makes everything, uses it and releases it again, whatever fails. */
typedef kw_status (*alloc_operation)(void *user, kw_error *err);

/* Each allocation fails once: KW_E_NOMEM, or a way around it, and nothing leaked. Without one the
 * operation succeeds. At least `least` were made to fail. */
static inline void alloc_each(alloc_operation operation, void *user, long least)
{
    for (long n = 1; n < 20000; n++) {
        kw_error err = {.message = ""};
        const long live = kw_alloc_live();
        kw_alloc_fail_at(n);
        const kw_status status = operation(user, &err);
        const bool failed = kw_alloc_stop();
        if (status != KW_OK && status != KW_E_NOMEM)
            fail_msg("allocation %ld: %s: %s", n, kw_status_name(status), err.message);
        if (kw_alloc_live() != live)
            fail_msg("allocation %ld: %ld blocks leaked (%s)", n, kw_alloc_live() - live,
                     err.message);
        if (failed)
            continue;
        assert_int_equal(status, KW_OK);
        assert_true(n > least);
        return;
    }
    fail_msg("needs more than 20000 allocations");
}

#endif
