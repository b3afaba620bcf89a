/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bitswap_wants.c - the set against a plain list, at random; its limits; digests that look alike.
 */
#include "net/bitswap_wants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"

static const uint64_t salt[8] = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb, 7};

static kw_cid name(uint32_t n)
{
    uint8_t digest[32] = {0}; /* alike but for the end */
    memcpy(digest + 28, &n, sizeof(n));
    return kw_cid_of_sha256(KW_CODEC_RAW, digest);
}

static kw_bitswap_wants *open_wants(void)
{
    kw_bitswap_wants *const w = kw_bitswap_wants_open(salt);
    assert_non_null(w);
    return w;
}

enum { NAMES = 60 };

/* What it must say: states, and the order of the queue. */
typedef struct model {
    kw_bitswap_state states[NAMES];
    uint32_t queue[NAMES];
    size_t n_queued, n_later;
} model;

static void model_put(model *m, uint32_t n, kw_bitswap_state state)
{
    if (m->states[n] == state)
        return;
    if (m->states[n] == KW_BITSWAP_QUEUED) {
        size_t i = 0;
        while (m->queue[i] != n)
            i++;
        m->n_queued--;
        memmove(m->queue + i, m->queue + i + 1, (m->n_queued - i) * sizeof(m->queue[0]));
    }
    m->n_later -= m->states[n] == KW_BITSWAP_LATER_BLOCK || m->states[n] == KW_BITSWAP_LATER_HAVE;
    m->n_later += state == KW_BITSWAP_LATER_BLOCK || state == KW_BITSWAP_LATER_HAVE;
    if (state == KW_BITSWAP_QUEUED)
        m->queue[m->n_queued++] = n;
    m->states[n] = state;
}

static void agree(const kw_bitswap_wants *w, const model *m)
{
    assert_int_equal(kw_bitswap_wants_queued(w), m->n_queued);
    assert_int_equal(kw_bitswap_wants_later(w), m->n_later);
    const kw_cid *const first = kw_bitswap_wants_first(w);
    assert_int_equal(first != NULL, m->n_queued > 0);
    if (first) {
        const kw_cid expected = name(m->queue[0]);
        assert_true(kw_cid_equal(first, &expected));
    }
}

static void as_a_list(void **state)
{
    (void)state;
    kw_bitswap_wants *const w = open_wants();
    model m = {0};
    for (uint64_t i = 0; i < 40000; i++) {
        const uint32_t n = kw_rng_u32(3, 0, 3 * i) % NAMES;
        const kw_bitswap_state to = (kw_bitswap_state)(kw_rng_u32(3, 0, 3 * i + 1) % 4);
        const kw_cid cid = name(n);
        assert_int_equal(kw_bitswap_wants_get(w, &cid), m.states[n]);
        assert_true(kw_bitswap_wants_put(w, &cid, to));
        model_put(&m, n, to);
        agree(w, &m);
        while (m.n_queued > 0 && kw_rng_u32(3, 0, 3 * i + 2) % 8 == 0) {
            const kw_cid first = *kw_bitswap_wants_first(w);
            assert_true(kw_bitswap_wants_put(w, &first, KW_BITSWAP_UNKNOWN));
            model_put(&m, m.queue[0], KW_BITSWAP_UNKNOWN);
            agree(w, &m);
        }
        if (i % 5000 == 4999) {
            kw_bitswap_wants_clear(w);
            m = (model){0};
        }
    }
    kw_bitswap_wants_close(w);
}

static void it_has_limits(void **state)
{
    (void)state;
    kw_bitswap_wants *const w = open_wants();
    for (uint32_t i = 0; i < BITSWAP_WANTS_QUEUED; i++) {
        const kw_cid cid = name(i);
        assert_true(kw_bitswap_wants_put(w, &cid, KW_BITSWAP_QUEUED));
    }
    const kw_cid more = name(5000), one = name(1);
    assert_false(kw_bitswap_wants_put(w, &more, KW_BITSWAP_QUEUED));
    assert_int_equal(kw_bitswap_wants_get(w, &more), KW_BITSWAP_UNKNOWN);
    for (uint32_t i = 0; i < BITSWAP_WANTS_LATER; i++) {
        const kw_cid cid = name(10000 + i);
        assert_true(kw_bitswap_wants_put(w, &cid, KW_BITSWAP_LATER_BLOCK));
    }
    assert_false(kw_bitswap_wants_put(w, &more, KW_BITSWAP_LATER_HAVE));
    assert_false(kw_bitswap_wants_put(w, &one, KW_BITSWAP_LATER_HAVE));
    assert_int_equal(kw_bitswap_wants_get(w, &one), KW_BITSWAP_QUEUED); /* nothing has changed */
    const kw_cid later = name(10000);
    assert_true(kw_bitswap_wants_put(w, &later, KW_BITSWAP_LATER_HAVE));
    assert_true(kw_bitswap_wants_put(w, &one, KW_BITSWAP_UNKNOWN));
    assert_true(kw_bitswap_wants_put(w, &later, KW_BITSWAP_QUEUED));
    assert_true(kw_bitswap_wants_put(w, &more, KW_BITSWAP_LATER_HAVE));
    kw_bitswap_wants_close(w);
}

static void nothing_is_a_set_too(void **state)
{
    (void)state;
    const kw_cid cid = name(0);
    assert_int_equal(kw_bitswap_wants_get(NULL, &cid), KW_BITSWAP_UNKNOWN);
    assert_true(kw_bitswap_wants_put(NULL, &cid, KW_BITSWAP_UNKNOWN));
    assert_false(kw_bitswap_wants_put(NULL, &cid, KW_BITSWAP_QUEUED));
    assert_null(kw_bitswap_wants_first(NULL));
    assert_int_equal(kw_bitswap_wants_queued(NULL) + kw_bitswap_wants_later(NULL), 0);
    kw_bitswap_wants_clear(NULL);
    kw_bitswap_wants_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_a_list), cmocka_unit_test(it_has_limits),
                                       cmocka_unit_test(nothing_is_a_set_too)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
