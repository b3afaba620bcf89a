/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* certificate_openssl.c - self-signed certificates for dtls.h. */
#include "crypto/dtls_openssl.h"

#include "base/check.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <limits.h>
#include <stdlib.h>

#define PEM_MAX 16384
#define DAY 86400L
#define YEARS 20 /* peers compare its hash and ask no clock */

static kw_status refused(kw_error *err, kw_status status, const char *what)
{
    ERR_clear_error();
    return kw_fail(err, status, "certificate: %s", what);
}

void kw_certificate_free(kw_certificate *certificate)
{
    if (!certificate)
        return;
    EVP_PKEY_free(certificate->key);
    X509_free(certificate->x509);
    free(certificate);
}

const uint8_t *kw_certificate_hash(const kw_certificate *certificate)
{
    return certificate->hash;
}

static bool sign(X509 *x509, EVP_PKEY *key)
{
    unsigned char serial[8];
    static const unsigned char name[] = "kwaai";
    X509_NAME *const subject = X509_get_subject_name(x509);
    BIGNUM *number = NULL;
    if (RAND_bytes(serial, sizeof serial) != 1)
        return false;
    serial[0] &= 0x7f;
    number = BN_bin2bn(serial, sizeof serial, NULL);
    const bool good = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509)) &&
                      X509_set_version(x509, X509_VERSION_3) == 1 &&
                      X509_gmtime_adj(X509_getm_notBefore(x509), -DAY) &&
                      X509_time_adj_ex(X509_getm_notAfter(x509), YEARS * 365, 0, NULL) &&
                      X509_set_pubkey(x509, key) == 1 &&
                      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, sizeof name - 1,
                                                 -1, 0) == 1 &&
                      X509_set_issuer_name(x509, subject) == 1 &&
                      X509_sign(x509, key, EVP_sha256()) > 0;
    BN_free(number);
    return good;
}

/* Takes both; they are freed whatever happens. */
static kw_status wrap(EVP_PKEY *key, X509 *x509, kw_certificate **out, kw_error *err)
{
    unsigned len = 32;
    kw_certificate *certificate = calloc(1, sizeof *certificate);
    if (!certificate) {
        EVP_PKEY_free(key);
        X509_free(x509);
        return kw_fail(err, KW_E_NOMEM, "certificate: no memory");
    }
    certificate->key = key;
    certificate->x509 = x509;
    if (!key || !x509 || X509_check_private_key(x509, key) != 1 ||
        X509_digest(x509, EVP_sha256(), certificate->hash, &len) != 1) {
        kw_certificate_free(certificate);
        return refused(err, KW_E_FORMAT, "the key is not the certificate's");
    }
    *out = certificate;
    return KW_OK;
}

kw_status kw_certificate_new(kw_certificate **out, kw_error *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    if (!key || !x509 || !sign(x509, key)) {
        EVP_PKEY_free(key);
        X509_free(x509);
        return refused(err, KW_E_INTERNAL, "none could be made");
    }
    return wrap(key, x509, out, err);
}

static int no_password(char *out, int room, int writing, void *user)
{
    (void)out;
    (void)room;
    (void)writing;
    (void)user;
    return -1; /* never asks a terminal */
}

kw_status kw_certificate_read(kw_bytes pem, kw_certificate **out, kw_error *err)
{
    if (pem.len == 0 || pem.len > PEM_MAX)
        return kw_fail(err, KW_E_FORMAT, "certificate: %zu bytes of PEM (1 to %d)", pem.len,
                       PEM_MAX);
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    if (!bio)
        return refused(err, KW_E_NOMEM, "no memory");
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    X509 *x509 = key ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    if (!key || !x509) {
        EVP_PKEY_free(key);
        X509_free(x509);
        return refused(err, KW_E_FORMAT, "the PEM holds no private key with a certificate");
    }
    const kw_status status = wrap(key, x509, out, err);
    ERR_clear_error();
    return status;
}

kw_status kw_certificate_write(const kw_certificate *certificate, kw_buf *pem, kw_error *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    if (!bio)
        return refused(err, KW_E_NOMEM, "no memory");
    const bool good =
        PEM_write_bio_PrivateKey(bio, certificate->key, NULL, NULL, 0, NULL, NULL) == 1 &&
        PEM_write_bio_X509(bio, certificate->x509) == 1;
    const long len = BIO_get_mem_data(bio, &data);
    if (good && len > 0)
        kw_buf_add(pem, data, (size_t)len);
    BIO_free(bio);
    ERR_clear_error();
    return good ? kw_buf_status(pem, err) : refused(err, KW_E_INTERNAL, "it could not be written");
}
