/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* chunks.c - what goes in comes out, in order, whatever the sizes; and the memory with it. */
#include "net/chunks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 131 >> 3);
}

static void in_order_at_random(void **state)
{
    (void)state;
    static uint8_t bytes[200000];
    kw_chunks chunks = {0};
    size_t in = 0, out = 0;
    for (uint64_t turn = 0; turn < 400; turn++) {
        const size_t add = kw_rng_u32(1, 0, turn) % (turn % 3 == 0 ? 200 : sizeof bytes);
        for (size_t i = 0; i < add; i++)
            bytes[i] = byte_at(in + i);
        assert_true(kw_chunks_add(&chunks, (kw_bytes){bytes, add}));
        in += add;
        for (size_t left = kw_rng_u32(1, 1, turn) % sizeof bytes; left > 0 && out < in;) {
            const kw_bytes front = kw_chunks_front(&chunks);
            const size_t now = KW_MIN(left, front.len);
            assert_true(front.len > 0);
            for (size_t i = 0; i < now; i++)
                assert_int_equal(front.data[i], byte_at(out + i));
            kw_chunks_drop(&chunks, now);
            out += now;
            left -= now;
        }
        assert_int_equal(chunks.len, in - out);
        assert_true(chunks.cap <= chunks.len + 2 * KW_CHUNK);
    }
    kw_chunks_free(&chunks);
    assert_true(chunks.len == 0 && chunks.cap == 0 && !chunks.first && !chunks.last);
    assert_int_equal(kw_chunks_front(&chunks).len, 0);
}

/* What an idle stream has said costs little. */
static void a_little_is_little(void **state)
{
    (void)state;
    kw_chunks chunks = {0};
    assert_true(kw_chunks_add(&chunks, (kw_bytes){(const uint8_t *)"hello", 5}));
    assert_int_equal(chunks.cap, 1024);
    kw_chunks_drop(&chunks, 5);
    assert_int_equal(chunks.cap, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(in_order_at_random),
                                       cmocka_unit_test(a_little_is_little)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
