/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dtls_openssl.h - between certificate_openssl.c and dtls_openssl.c. */
#ifndef KW_CRYPTO_DTLS_OPENSSL_H
#define KW_CRYPTO_DTLS_OPENSSL_H

#include "crypto/dtls.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

struct kw_certificate {
    EVP_PKEY *key; /* owned */
    X509 *x509;    /* owned */
    uint8_t hash[32];
};

#endif
