/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_hub_minisign.c - any bytes as a public key, a secret key and a signature. What is read as a
 * public key is written as a text that reads as the same; no signature that was not made verifies.
 */
#include "hub/minisign.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void public_key(kw_str text)
{
    kw_public_key key, again;
    kw_buf buf = {0};
    if (kw_public_key_get(text, &key, NULL) != KW_OK)
        return;
    kw_public_key_put(&key, &buf);
    require(kw_public_key_get((kw_str){buf.data, buf.len}, &again, NULL) == KW_OK);
    require(memcmp(&key, &again, sizeof key) == 0);
    kw_buf_free(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const kw_str text = {(const char *)data, size};
    const kw_public_key nobody = {0};
    kw_secret_key secret;
    kw_signature signature;
    bool locked;
    public_key(text);
    if (kw_secret_key_get(text, NULL, &secret, &locked, NULL) == KW_OK) {
        require(!locked);
        kw_secret_key_wipe(&secret);
    }
    if (kw_signature_get(text, &signature, NULL) == KW_OK) {
        require(strlen(signature.trusted) <= KW_TRUSTED_COMMENT);
        kw_public_key key = nobody;
        memcpy(key.id, signature.id, sizeof key.id);
        key.key[0] = 9;
        require(kw_signature_verify(&signature, &key, (kw_bytes){data, size}, NULL) != KW_OK);
    }
    return 0;
}
