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

/* ---- while a node runs ---- */

typedef struct machine {
    kw_conditions now;
    size_t n_got, n_released, n_told;
} machine;

static void read_conditions(void *user, kw_conditions *out)
{
    *out = ((machine *)user)->now;
}

static void on_log(void *user, int level, const char *message)
{
    (void)level;
    (void)message;
    ((machine *)user)->n_told++;
}

static bool has(void *user, const kw_cid *cid, size_t *size)
{
    (void)user;
    (void)cid;
    *size = 3;
    return true;
}

static kw_status get(void *user, const kw_cid *cid, kw_block *out, kw_error *err)
{
    (void)cid;
    (void)err;
    ((machine *)user)->n_got++;
    *out = (kw_block){.data = {(const uint8_t *)"abc", 3}};
    return KW_OK;
}

static void release(void *user, kw_block *block)
{
    (void)block;
    ((machine *)user)->n_released++;
}

/* What is given ends and begins as the machine changes; a block that is out comes back. */
static void test_store(void **state)
{
    (void)state;
    machine m = {.now = {.power = {.battery = true, .external = true, .percent = 90}}};
    const kw_log log = {.write = on_log, .user = &m, .level = KW_LOG_INFO};
    const kw_contribution_config config = {.read = read_conditions, .user = &m, .log = &log};
    const kw_block_store inner = {.user = &m, .has = has, .get = get, .release = release};
    const kw_cid cid = {0};
    kw_loop *loop;
    kw_contribution *contribution;
    kw_block block;
    size_t size;
    assert_int_equal(kw_loop_open(&loop, NULL), KW_OK);
    assert_int_equal(kw_contribution_open(loop, &config, &contribution, NULL), KW_OK);
    const kw_block_store store = kw_contribution_store(contribution, inner);
    assert_true(kw_contribution_gives(contribution, NULL));
    assert_true(store.has(store.user, &cid, &size));
    assert_int_equal(store.get(store.user, &cid, &block, NULL), KW_OK);
    m.now.power.external = false;
    for (int i = 0; i < 80 && m.n_told == 0; i++)
        kw_loop_step(loop, 100);
    assert_int_equal(m.n_told, 1);
    assert_false(kw_contribution_gives(contribution, NULL));
    store.release(store.user, &block);
    assert_int_equal(m.n_released, 1);
    assert_false(store.has(store.user, &cid, &size));
    assert_int_equal(store.get(store.user, &cid, &block, NULL), KW_E_NOTFOUND);
    assert_int_equal(m.n_got, 1);
    kw_contribution_close(contribution);
    kw_loop_step(loop, 0);
    kw_loop_close(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_decide), cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_store)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
