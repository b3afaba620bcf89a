/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* envelope.c - what was signed opens for that purpose, and nothing else does. */
#include "net/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t type[] = {0x03, 0x02};

static void opens_for_its_purpose_alone(void **state)
{
    (void)state;
    const uint8_t secret[32] = {7};
    kw_identity identity;
    kw_buf sealed = {0};
    kw_peer_id signer;
    kw_bytes payload;
    const kw_bytes kind = {type, sizeof type}, text = {(const uint8_t *)"hello", 5};
    assert_int_equal(kw_identity_of_seed(secret, &identity, NULL), KW_OK);
    assert_int_equal(kw_envelope_seal(&identity, KW_STR("a-domain"), kind, text, &sealed, NULL),
                     KW_OK);
    const kw_bytes in = {(const uint8_t *)sealed.data, sealed.len};
    assert_int_equal(kw_envelope_open(in, KW_STR("a-domain"), kind, &signer, &payload, NULL),
                     KW_OK);
    assert_true(kw_peer_id_equal(&signer, &identity.id));
    assert_int_equal(payload.len, 5);
    assert_memory_equal(payload.data, "hello", 5);
    assert_int_equal(kw_envelope_open(in, KW_STR("b-domain"), kind, &signer, &payload, NULL),
                     KW_E_FORMAT);
    assert_int_equal(
        kw_envelope_open(in, KW_STR("a-domain"), (kw_bytes){type, 1}, &signer, &payload, NULL),
        KW_E_FORMAT);
    for (size_t i = 0; i < sealed.len; i++) { /* each byte counts */
        sealed.data[i] = (char)(sealed.data[i] ^ 1);
        const kw_status status =
            kw_envelope_open(in, KW_STR("a-domain"), kind, &signer, &payload, NULL);
        assert_true(status != KW_OK);
        sealed.data[i] = (char)(sealed.data[i] ^ 1);
    }
    kw_buf_free(&sealed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(opens_for_its_purpose_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
