/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The handshake against known bytes, and each way of breaking it. */
#include "net/noise.h"

#include "hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Computed with another implementation: secrets of 32 equal bytes, payloads "", "resp", "init". */
static const char first[] = "7b4e909bbe7ffe44c465a220037d608ee35897d31ef972f07f74892cb0f73f13";
static const char second[] =
    "7b0d47d93427f8311160781c7c733fd89f88970aef490d8aa0ee19a4cb8a1b14c397174f4837000ddcbb128132882"
    "49a5b12d88516876da181ce0fc959b99e517ea8998c13dc2b6f0c0dd1008f6a2fb962ffc4322a136b89a6891d0477"
    "72c97bc505590e";
static const char third[] =
    "cb841bb9a3d8fff17ed00e6c7a898c0a701ffe7a08e25ff252fc2e7deecd3122f4e42a39b5644dcf3cf55e91b75d9"
    "cbd072c275cf488807ef46a4fbb2088f19440708af4";
static const char *const messages[3] = {first, second, third};
static const char *const payloads[3] = {"", "resp", "init"};
static const char hash[] = "3907279a14076d9fbc2b68acc455f6ed031c1d0f7067fc9f6fef742a1268d1fe";
static const char key_1[] = "530c3f6f9316268d31d426e3ead445b1a0d92fd664e2cd0d220bcb0e7ac62a80";
static const char key_2[] = "fff2cd9dff44357d67d942ed1df3c04ba58108d53009471d81b084e49e9ebaf2";

static void begin(kw_noise ends[2])
{
    uint8_t secrets[4][32];
    for (int i = 0; i < 4; i++)
        memset(secrets[i], 0x11 * (i + 1), 32);
    for (int i = 0; i < 2; i++)
        assert_int_equal(kw_noise_begin(&ends[i], i == 0, (kw_bytes){0}, secrets[2 * i],
                                        secrets[2 * i + 1], NULL),
                         KW_OK);
}

static void assert_hex(const void *data, size_t len, const char *text)
{
    uint8_t expected[256];
    const kw_bytes bytes = kw_hex(text, expected, sizeof expected);
    assert_int_equal(len, bytes.len);
    assert_memory_equal(data, bytes.data, len);
}

static void test_vector(void **state)
{
    (void)state;
    kw_noise ends[2];
    begin(ends);
    for (int step = 0; step < 3; step++) {
        kw_noise *from = &ends[step % 2], *to = &ends[1 - step % 2];
        kw_buf message = {0}, payload = {0};
        assert_true(kw_noise_ours(from));
        assert_false(kw_noise_ours(to));
        assert_int_equal(kw_noise_write(from, kw_text_bytes(payloads[step]), &message, NULL),
                         KW_OK);
        assert_hex(message.data, message.len, messages[step]);
        assert_int_equal(kw_noise_read(to, (kw_bytes){(const uint8_t *)message.data, message.len},
                                       &payload, NULL),
                         KW_OK);
        assert_int_equal(payload.len, strlen(payloads[step]));
        assert_memory_equal(payload.data ? payload.data : "", payloads[step], payload.len);
        kw_buf_free(&message);
        kw_buf_free(&payload);
    }
    for (int i = 0; i < 2; i++) {
        uint8_t send[32], receive[32];
        assert_true(kw_noise_over(&ends[i]));
        assert_hex(ends[i].h, 32, hash);
        assert_int_equal(kw_noise_split(&ends[i], send, receive, NULL), KW_OK);
        assert_hex(send, 32, i == 0 ? key_1 : key_2);
        assert_hex(receive, 32, i == 0 ? key_2 : key_1);
    }
}

/* A message with one bit changed, or cut anywhere, is refused. (The first has no key yet: only its
 * length counts.) */
static void test_changed(void **state)
{
    (void)state;
    for (int step = 0; step < 3; step++) {
        uint8_t bytes[256];
        const kw_bytes whole = kw_hex(messages[step], bytes, sizeof bytes);
        for (size_t at = 0; at < 2 * whole.len; at++) {
            kw_noise ends[2];
            begin(ends);
            kw_buf payload = {0}, unused = {0};
            for (int before = 0; before < step; before++) {
                uint8_t earlier[256];
                assert_int_equal(kw_noise_write(&ends[before % 2], kw_text_bytes(payloads[before]),
                                                &unused, NULL),
                                 KW_OK);
                assert_int_equal(kw_noise_read(&ends[1 - before % 2],
                                               kw_hex(messages[before], earlier, sizeof earlier),
                                               &unused, NULL),
                                 KW_OK);
            }
            uint8_t changed[256];
            memcpy(changed, whole.data, whole.len);
            const bool cut = at >= whole.len;
            if (!cut)
                changed[at] ^= 1;
            const kw_status status = kw_noise_read(
                &ends[1 - step % 2], (kw_bytes){changed, cut ? at - whole.len : whole.len},
                &payload, NULL);
            if (step > 0 || cut)
                assert_int_equal(status, KW_E_FORMAT);
            kw_buf_free(&payload);
            kw_buf_free(&unused);
        }
    }
}

static void test_payload(void **state)
{
    (void)state;
    kw_noise ends[2];
    begin(ends);
    uint8_t seed[32];
    memset(seed, 1, sizeof seed);
    kw_identity identity;
    assert_int_equal(kw_identity_of_seed(seed, &identity, NULL), KW_OK);
    kw_buf payload = {0};
    assert_int_equal(kw_noise_payload(&ends[0], &identity, "/yamux/1.0.0", &payload, NULL), KW_OK);
    uint8_t signature[64];
    kw_hex("246d43e960be67ad57094023dc4575126f441c320b9ddc27b2dda580e884891e3892478d03ebccbcfb5f84c"
           "603e1e6dd"
           "ed40e75e134ba8843bd09082a3df6108",
           signature, sizeof signature);
    assert_memory_equal(payload.data + 2 + sizeof identity.encoded + 2, signature,
                        sizeof signature);

    memcpy(ends[1].their_fixed, ends[0].fixed_public, 32);
    const kw_bytes bytes = {(const uint8_t *)payload.data, payload.len};
    kw_bytes key;
    kw_peer_id peer;
    bool named, same;
    assert_int_equal(
        kw_noise_check(&ends[1], bytes, "/yamux/1.0.0", &key, &peer, &named, &same, NULL), KW_OK);
    assert_true(named && same && kw_peer_id_equal(&peer, &identity.id));
    assert_int_equal(
        kw_noise_check(&ends[1], bytes, "/mplex/6.7.0", &key, &peer, &named, &same, NULL), KW_OK);
    assert_true(named && !same);
    ends[1].their_fixed[0] ^= 1; /* the signature of another key */
    assert_int_equal(
        kw_noise_check(&ends[1], bytes, "/yamux/1.0.0", &key, &peer, &named, &same, NULL),
        KW_E_FORMAT);
    kw_buf_free(&payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_payload),
    };
    return cmocka_run_group_tests_name("noise", tests, NULL, NULL);
}
