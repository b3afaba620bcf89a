/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* multibase.c - vectors of the multibase specification, and one text for each value. */
#include "wire/multibase.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "hex.h"

static void vectors(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t len;
        const char *text;
        kw_base base;
    } cases[] = {
        {"yes mani !", 10, "f796573206d616e692021", KW_BASE16},
        {"yes mani !", 10, "bpfsxgidnmfxgsibb", KW_BASE32},
        {"yes mani !", 10, "k2lcpzo5yikidynfl", KW_BASE36},
        {"yes mani !", 10, "z7paNL19xttacUY", KW_BASE58},
        {"yes mani !", 10, "meWVzIG1hbmkgIQ", KW_BASE64},
        {"yes mani !", 10, "ueWVzIG1hbmkgIQ", KW_BASE64_URL},
        {"\0yes mani !", 11, "k02lcpzo5yikidynfl", KW_BASE36},
        {"\0yes mani !", 11, "z17paNL19xttacUY", KW_BASE58},
        {"\0\0yes mani !", 12, "k002lcpzo5yikidynfl", KW_BASE36},
        {"\0\0yes mani !", 12, "z117paNL19xttacUY", KW_BASE58},
        {"\xfb\xff", 2, "m+/8", KW_BASE64},
        {"\xfb\xff", 2, "u-_8", KW_BASE64_URL},
        {"", 0, "z", KW_BASE58},
        {"", 0, "b", KW_BASE32},
    };
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        kw_buf text = {0}, data = {0};
        kw_multibase_put(&text, cases[i].base,
                         (kw_bytes){(const uint8_t *)cases[i].data, cases[i].len});
        assert_string_equal(text.data, cases[i].text);
        assert_int_equal(kw_multibase_get(kw_str_from(cases[i].text), &data, NULL), KW_OK);
        assert_int_equal(data.len, cases[i].len);
        if (data.len > 0)
            assert_memory_equal(data.data, cases[i].data, data.len);
        kw_buf_free(&text);
        kw_buf_free(&data);
    }
}

/* Lengths on both sides of every piece. */
static void round_trips(void **state)
{
    (void)state;
    static uint8_t bytes[1024];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)kw_rng_u32(7, 0, i);
    for (size_t base = KW_BASE16; base <= KW_BASE64_URL; base++)
        for (size_t n = 0; n <= sizeof(bytes); n += n < 8 || (n >= 236 && n < 244) ? 1 : 12) {
            kw_buf text = {0}, data = {0};
            kw_base_put(&text, (kw_base)base, (kw_bytes){bytes, n});
            assert_int_equal(kw_base_get((kw_base)base, (kw_str){text.data, text.len}, &data, NULL),
                             KW_OK);
            assert_int_equal(data.len, n);
            if (n > 0)
                assert_memory_equal(data.data, bytes, n);
            kw_buf_free(&text);
            kw_buf_free(&data);
        }
}

static void refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",      "x00", "f0",   "fF0",  "fg0", "ba", "bab", "baa======", "bAA", "b01",  "ma",
        "maa==", "mab", "m-_8", "u+/8", "z0",  "zI", "zl",  "kA",        "k_",  "baaa",
    };
    for (size_t i = 0; i < KW_COUNT(texts); i++) {
        kw_buf data = {0};
        kw_error err = {0};
        assert_int_equal(kw_multibase_get(kw_str_from(texts[i]), &data, &err), KW_E_FORMAT);
        assert_true(err.message[0] != '\0');
        kw_buf_free(&data);
    }
    static char lots[4096];
    memset(lots, '2', sizeof(lots));
    kw_buf data = {0};
    assert_int_equal(kw_base_get(KW_BASE58, (kw_str){lots, sizeof(lots)}, &data, NULL), KW_E_LIMIT);
    kw_buf_free(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
