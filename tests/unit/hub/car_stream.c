/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* car_stream.c - leaves out of an archive that is cut anywhere, with pauses, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "hub/car_stream.h"

#define LEAF 1000u
#define N ((size_t)5)
#define SIZE ((size_t)4 * LEAF + 17)

typedef struct sink {
    kw_buf out;
    uint32_t draws;
    bool pauses, paused;
} sink;

static kw_take take(void *user, kw_bytes bytes)
{
    sink *const s = user;
    s->paused = s->pauses && !s->paused && kw_rng_u32(5, 1, s->draws++) % 2 == 0;
    if (s->paused)
        return KW_TAKE_PAUSE;
    kw_buf_add(&s->out, (const char *)bytes.data, bytes.len);
    return KW_TAKE_OK;
}

static void put_block(kw_buf *car, uint32_t codec, const uint8_t *data, size_t len)
{
    uint8_t prefix[KW_CAR_PREFIX_MAX];
    const kw_cid cid = kw_cid_of(codec, (kw_bytes){data, len}, NULL);
    kw_buf_add(car, (const char *)prefix, kw_car_prefix(&cid, len, prefix));
    kw_buf_add(car, (const char *)data, len);
}

/* A run of five leaves of which the second and third are alike, with parents between. */
static void make(uint8_t data[SIZE], uint8_t leaves[N][32], kw_buf *car)
{
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)(i / LEAF == 2 ? i % LEAF : i * 7 + i / LEAF * (i / LEAF != 1));
    for (size_t i = 0; i < LEAF; i++)
        data[LEAF + i] = data[2 * LEAF + i];
    const kw_cid root = kw_cid_of(KW_CODEC_DAG_PB, (kw_bytes){data, 50}, NULL);
    kw_car_put_header(car, &root, 1);
    put_block(car, KW_CODEC_DAG_PB, data, 50);
    for (size_t i = 0; i < N; i++) {
        const size_t len = KW_MIN((size_t)LEAF, SIZE - i * LEAF);
        const kw_cid cid = kw_cid_of(KW_CODEC_RAW, (kw_bytes){data + i * LEAF, len}, NULL);
        memcpy(leaves[i], cid.digest, 32);
        put_block(car, KW_CODEC_RAW, data + i * LEAF, len);
        if (i % 2 == 0)
            put_block(car, KW_CODEC_DAG_PB, data + i, 80);
    }
}

static kw_ask ask_of(const uint8_t leaves[N][32])
{
    return (kw_ask){.kind = KW_ASK_RANGE, .len = SIZE, .leaves = leaves, .leaf_size = LEAF};
}

/* Feeds pieces of at most `most` bytes; an offer that is held back is repeated, now and then with
 * more behind it. */
static bool feed(kw_car_stream *s, const kw_buf *car, size_t most, sink *to)
{
    size_t at = 0, len = 0;
    for (uint32_t i = 0; at < car->len; i++) {
        const char *why;
        len = KW_MIN(KW_MAX(len, 1 + kw_rng_u32(9, 2, i) % most), car->len - at);
        const kw_bytes piece = {(const uint8_t *)car->data + at, len};
        const kw_take took = kw_car_stream_take(s, piece, take, to, &why);
        if (took == KW_TAKE_STOP) {
            assert_non_null(why);
            return false;
        }
        at += took == KW_TAKE_OK ? len : 0;
        len = took == KW_TAKE_OK ? 0 : len;
    }
    return true;
}

static void leaves_come_out_in_order(void **state)
{
    (void)state;
    static uint8_t data[SIZE], leaves[N][32];
    static const size_t pieces[] = {1, 3, 100, 1100, 100000};
    kw_buf car = {0};
    make(data, leaves, &car);
    const kw_ask ask = ask_of((const uint8_t(*)[32])leaves);
    for (size_t i = 0; i < 2 * KW_COUNT(pieces); i++) {
        sink to = {.pauses = i % 2 == 1};
        kw_car_stream s = kw_car_stream_of(&ask);
        assert_true(feed(&s, &car, pieces[i / 2], &to));
        assert_true(kw_car_stream_whole(&s));
        assert_int_equal(to.out.len, SIZE);
        assert_memory_equal(to.out.data, data, SIZE);
        kw_buf_free(&to.out);
    }
    kw_buf_free(&car);
}

/* Without duplicates the third leaf does not come: the run is not whole, and nothing is misplaced.
 */
static void what_is_left_out_is_missed(void **state)
{
    (void)state;
    static uint8_t data[SIZE], leaves[N][32];
    kw_buf car = {0};
    make(data, leaves, &car);
    memset(leaves[2], 1, 32);
    const kw_ask ask = ask_of((const uint8_t(*)[32])leaves);
    sink to = {.pauses = false};
    kw_car_stream s = kw_car_stream_of(&ask);
    assert_true(feed(&s, &car, 500, &to));
    assert_false(kw_car_stream_whole(&s));
    assert_int_equal(to.out.len, 2 * LEAF);
    assert_memory_equal(to.out.data, data, 2 * LEAF);
    kw_buf_free(&to.out);
    kw_buf_free(&car);
}

/* Any changed byte of heads ends it or leaves the run short; never are there more bytes. */
static void damage_is_harmless(void **state)
{
    (void)state;
    static uint8_t data[SIZE], leaves[N][32];
    kw_buf car = {0};
    make(data, leaves, &car);
    const kw_ask ask = ask_of((const uint8_t(*)[32])leaves);
    for (size_t i = 0; i < 160; i++) {
        for (int value = 1; value < 256; value <<= 1) {
            sink to = {.pauses = false};
            kw_car_stream s = kw_car_stream_of(&ask);
            car.data[i] = (char)(car.data[i] ^ value);
            (void)feed(&s, &car, 4000, &to);
            assert_true(to.out.len <= SIZE);
            assert_true(to.out.len == 0 || memcmp(to.out.data, data, to.out.len) == 0);
            car.data[i] = (char)(car.data[i] ^ value);
            kw_buf_free(&to.out);
        }
    }
    static const char text[] = "<html>a page, not an archive</html>";
    kw_buf page = {0};
    kw_buf_add(&page, text, sizeof text);
    sink to = {.pauses = false};
    kw_car_stream s = kw_car_stream_of(&ask);
    assert_true(!feed(&s, &page, 5, &to) || !kw_car_stream_whole(&s));
    kw_buf_free(&page);
    kw_buf_free(&car);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_come_out_in_order),
        cmocka_unit_test(what_is_left_out_is_missed),
        cmocka_unit_test(damage_is_harmless),
    };
    return cmocka_run_group_tests_name("car_stream", tests, NULL, NULL);
}
