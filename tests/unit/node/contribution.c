/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* contribution.c - every combination of power and network, and the names of the policies. */
#include "node/contribution.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_decide(void **state)
{
    (void)state;
    const char *why;
    for (unsigned bits = 0; bits < 32; bits++) {
        const bool battery = bits & 1, external = bits & 2, charging = bits & 4, full = bits & 8,
                   metered = bits & 16;
        const kw_conditions now = {{battery, external, charging, full ? 51 : 50}, metered};
        const bool optimal = !metered && (!battery || (full && (external || charging)));
        assert_int_equal(kw_contribution_decide(KW_CONTRIBUTE_WHEN_OPTIMAL, &now, &why), optimal);
        assert_true(why[0]);
        assert_true(kw_contribution_decide(KW_CONTRIBUTE_ALWAYS, &now, &why));
        assert_false(kw_contribution_decide(KW_CONTRIBUTE_NEVER, &now, &why));
    }
}

static void test_names(void **state)
{
    (void)state;
    kw_contribute policy;
    for (int p = KW_CONTRIBUTE_WHEN_OPTIMAL; p <= KW_CONTRIBUTE_NEVER; p++) {
        assert_true(
            kw_contribute_parse(kw_str_from(kw_contribute_name((kw_contribute)p)), &policy));
        assert_int_equal(policy, p);
    }
    assert_false(kw_contribute_parse(KW_STR("sometimes"), &policy));
    assert_false(kw_contribute_parse(KW_STR(""), &policy));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_decide), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
