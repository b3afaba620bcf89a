/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* scrypt_openssl.c - a key from a password, on OpenSSL 3. */
#include "crypto/crypto.h"

#include <openssl/err.h>
#include <openssl/evp.h>

kw_status kw_scrypt(kw_bytes password, kw_bytes salt, const kw_scrypt_cost *cost, uint8_t *out,
                    size_t len, kw_error *err)
{
    /* OpenSSL counts 128 * r * (n + p + 2) bytes, and refuses more than this. */
    const uint64_t memory = (uint64_t)128 * cost->r * (cost->n + cost->p + 2);
    if (EVP_PBE_scrypt((const char *)password.data, password.len, salt.data, salt.len, cost->n,
                       cost->r, cost->p, memory, out, len) == 1)
        return KW_OK;
    ERR_clear_error();
    return kw_fail(err, KW_E_NOMEM, "crypto: scrypt with %llu bytes failed",
                   (unsigned long long)memory);
}
