/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* noise.c - Noise XX. See noise.h. */
#include "net/noise.h"

#include "base/check.h"
#include "base/protobuf.h"
#include "base/sha256.h"

#include <assert.h>
#include <string.h>

static const char protocol[] =
    "Noise_XX_25519_ChaChaPoly_SHA256"; /* exactly 32 bytes: h is the name itself */
static const char signed_prefix[] = "noise-libp2p-static-key:";

static void mix_hash(kw_noise *noise, kw_bytes data)
{
    kw_sha256 hash;
    kw_sha256_init(&hash, kw_sha256_kernel(false)); /* a few hundred bytes in all */
    kw_sha256_update(&hash, noise->h, sizeof noise->h);
    kw_sha256_update(&hash, data.data, data.len);
    kw_sha256_final(&hash, noise->h);
}

/* Two keys of 32 bytes from a key and an input (HKDF with two outputs). */
static void hkdf(const uint8_t key[32], kw_bytes input, uint8_t first[32], uint8_t second[32])
{
    const uint8_t one = 1, two = 2;
    uint8_t mixed[32];
    kw_hmac_sha256((kw_bytes){key, 32}, input, (kw_bytes){0}, mixed);
    uint8_t one_out[32];
    kw_hmac_sha256((kw_bytes){mixed, 32}, (kw_bytes){&one, 1}, (kw_bytes){0}, one_out);
    kw_hmac_sha256((kw_bytes){mixed, 32}, (kw_bytes){one_out, 32}, (kw_bytes){&two, 1}, second);
    memcpy(first, one_out, 32);
    kw_crypto_wipe(mixed, sizeof mixed);
    kw_crypto_wipe(one_out, sizeof one_out);
}

static kw_status mix_key(kw_noise *noise, const uint8_t secret[32], const uint8_t theirs[32],
                         kw_error *err)
{
    uint8_t shared[32];
    KW_TRY(kw_x25519(secret, theirs, shared, err));
    hkdf(noise->ck, (kw_bytes){shared, sizeof shared}, noise->ck, noise->k);
    kw_crypto_wipe(shared, sizeof shared);
    noise->has_key = true;
    noise->n = 0;
    return KW_OK;
}

kw_status kw_noise_begin(kw_noise *noise, bool initiator, kw_bytes prologue,
                         const uint8_t ephemeral[32], const uint8_t fixed[32], kw_error *err)
{
    static_assert(sizeof protocol == 33, "the name is its own hash");
    memset(noise, 0, sizeof *noise);
    noise->initiator = initiator;
    memcpy(noise->h, protocol, 32);
    memcpy(noise->ck, protocol, 32);
    mix_hash(noise, prologue);
    if (ephemeral)
        memcpy(noise->ephemeral, ephemeral, 32);
    else
        KW_TRY(kw_crypto_random(noise->ephemeral, 32, err));
    if (fixed)
        memcpy(noise->fixed, fixed, 32);
    else
        KW_TRY(kw_crypto_random(noise->fixed, 32, err));
    KW_TRY(kw_x25519_public(noise->ephemeral, noise->ephemeral_public, err));
    return kw_x25519_public(noise->fixed, noise->fixed_public, err);
}

bool kw_noise_over(const kw_noise *noise)
{
    return noise->step == 3;
}

bool kw_noise_ours(const kw_noise *noise)
{
    return !kw_noise_over(noise) && (noise->step % 2 == 0) == noise->initiator;
}

/* Adds data, sealed once there is a key, to out. */
static kw_status put(kw_noise *noise, kw_bytes data, kw_buf *out, kw_error *err)
{
    const size_t at = out->len, len = data.len + (noise->has_key ? KW_NOISE_TAG : 0);
    kw_buf_add(out, (const char *)data.data, data.len);
    if (noise->has_key) {
        static const char room[KW_NOISE_TAG];
        kw_buf_add(out, room, sizeof room);
    }
    KW_TRY(kw_buf_status(out, err));
    uint8_t *const place = (uint8_t *)out->data + at;
    if (noise->has_key) {
        kw_aead *aead;
        KW_TRY(kw_aead_open(noise->k, true, &aead, err));
        const kw_status status = kw_aead_seal(aead, noise->n++, (kw_bytes){noise->h, 32},
                                              (kw_bytes){place, data.len}, place, err);
        kw_aead_close(aead);
        KW_TRY(status);
    }
    mix_hash(noise, (kw_bytes){place, len});
    return KW_OK;
}

/* Takes `plain` bytes (KW_NOISE_TAG more when sealed) off the front of in, into out. */
static kw_status get(kw_noise *noise, kw_bytes *in, size_t plain, uint8_t *out, kw_error *err)
{
    const size_t len = plain + (noise->has_key ? KW_NOISE_TAG : 0);
    if (in->len < len)
        return kw_fail(err, KW_E_FORMAT, "noise: message %d ends after %zu bytes of %zu",
                       noise->step + 1, in->len, len);
    const kw_bytes part = {in->data, len};
    if (noise->has_key) {
        kw_aead *aead;
        KW_TRY(kw_aead_open(noise->k, false, &aead, err));
        const kw_status status =
            kw_aead_unseal(aead, noise->n++, (kw_bytes){noise->h, 32}, part, out, err);
        kw_aead_close(aead);
        KW_TRY(status);
    } else if (len) {
        memcpy(out, part.data, len);
    }
    mix_hash(noise, part);
    *in = (kw_bytes){in->data + len, in->len - len};
    return KW_OK;
}

kw_status kw_noise_write(kw_noise *noise, kw_bytes payload, kw_buf *out, kw_error *err)
{
    kw_assert(kw_noise_ours(noise));
    const kw_bytes e = {noise->ephemeral_public, 32}, s = {noise->fixed_public, 32};
    if (noise->step < 2) { /* e */
        kw_buf_add(out, (const char *)e.data, e.len);
        mix_hash(noise, e);
    }
    if (noise->step == 1) { /* ee, s, es */
        KW_TRY(mix_key(noise, noise->ephemeral, noise->their_ephemeral, err));
        KW_TRY(put(noise, s, out, err));
        KW_TRY(mix_key(noise, noise->fixed, noise->their_ephemeral, err));
    } else if (noise->step == 2) { /* s, se */
        KW_TRY(put(noise, s, out, err));
        KW_TRY(mix_key(noise, noise->fixed, noise->their_ephemeral, err));
    }
    KW_TRY(put(noise, payload, out, err));
    noise->step++;
    return KW_OK;
}

kw_status kw_noise_read(kw_noise *noise, kw_bytes message, kw_buf *payload, kw_error *err)
{
    kw_assert(!kw_noise_ours(noise) && !kw_noise_over(noise));
    if (noise->step < 2)
        KW_TRY(get(noise, &message, 32, noise->their_ephemeral, err)); /* no key yet: as it is */
    if (noise->step == 1) {
        KW_TRY(mix_key(noise, noise->ephemeral, noise->their_ephemeral, err));
        KW_TRY(get(noise, &message, 32, noise->their_fixed, err));
        KW_TRY(mix_key(noise, noise->ephemeral, noise->their_fixed, err));
    } else if (noise->step == 2) {
        KW_TRY(get(noise, &message, 32, noise->their_fixed, err));
        KW_TRY(mix_key(noise, noise->ephemeral, noise->their_fixed, err));
    }
    const size_t tag = noise->has_key ? KW_NOISE_TAG : 0;
    if (message.len < tag)
        return kw_fail(err, KW_E_FORMAT, "noise: message %d has no payload", noise->step + 1);
    /* Room first, then in place: the payload never lies in a buffer of its own. */
    const size_t at = payload->len, plain = message.len - tag;
    kw_buf_add(payload, (const char *)message.data, plain);
    KW_TRY(kw_buf_status(payload, err));
    uint8_t nothing;
    KW_TRY(get(noise, &message, plain, plain ? (uint8_t *)payload->data + at : &nothing, err));
    noise->step++;
    return KW_OK;
}

kw_status kw_noise_split(const kw_noise *noise, uint8_t send[32], uint8_t receive[32],
                         kw_error *err)
{
    if (!kw_noise_over(noise))
        return kw_fail(err, KW_E_INTERNAL, "noise: the handshake is not over");
    uint8_t first[32], second[32];
    hkdf(noise->ck, (kw_bytes){0}, first, second);
    memcpy(noise->initiator ? send : receive, first, 32);
    memcpy(noise->initiator ? receive : send, second, 32);
    kw_crypto_wipe(first, sizeof first);
    kw_crypto_wipe(second, sizeof second);
    return KW_OK;
}

enum { SIGNED_LEN = sizeof signed_prefix - 1 + 32 };

static void what_is_signed(const uint8_t key[32], uint8_t out[SIGNED_LEN])
{
    memcpy(out, signed_prefix, sizeof signed_prefix - 1);
    memcpy(out + sizeof signed_prefix - 1, key, 32);
}

kw_status kw_noise_payload(const kw_noise *noise, const kw_identity *identity, const char *muxer,
                           kw_buf *out, kw_error *err)
{
    uint8_t text[SIGNED_LEN], signature[64];
    what_is_signed(noise->fixed_public, text);
    KW_TRY(kw_identity_sign(identity, (kw_bytes){text, sizeof text}, signature, err));
    kw_pb_put_bytes(out, 1, (kw_bytes){identity->encoded, sizeof identity->encoded});
    kw_pb_put_bytes(out, 2, (kw_bytes){signature, sizeof signature});
    if (muxer) {
        const size_t begin = kw_pb_begin(out);
        kw_pb_put_text(out, 2, kw_str_from(muxer));
        kw_pb_end(out, 4, begin);
    }
    return kw_buf_status(out, err);
}

/* Field 4: extensions, of which only the list of muxers is for us. */
static bool read_muxers(kw_bytes extensions, const char *muxer, bool *named, bool *same)
{
    kw_pb message = kw_pb_read(extensions);
    kw_pb_field field;
    kw_bytes name;
    while (kw_pb_next(&message, &field)) {
        if (field.number != 2 || !kw_pb_bytes(&message, &field, &name))
            continue;
        *named = true;
        *same = *same || kw_str_is((kw_str){(const char *)name.data, name.len}, muxer);
    }
    return !message.bad;
}

kw_status kw_noise_check(const kw_noise *noise, kw_bytes payload, const char *muxer, kw_bytes *key,
                         kw_peer_id *peer, bool *named, bool *same, kw_error *err)
{
    kw_bytes signature = {0}, extensions = {0};
    kw_pb message = kw_pb_read(payload);
    kw_pb_field field;
    *key = (kw_bytes){0};
    *named = *same = false;
    while (kw_pb_next(&message, &field)) {
        if (field.number == 1)
            kw_pb_bytes(&message, &field, key);
        else if (field.number == 2)
            kw_pb_bytes(&message, &field, &signature);
        else if (field.number == 4)
            kw_pb_bytes(&message, &field, &extensions);
    }
    if (message.bad || !read_muxers(extensions, muxer, named, same))
        return kw_fail(err, KW_E_FORMAT, "noise: the payload of %zu bytes is no message",
                       payload.len);
    if (key->len == 0 || key->len > KW_PUBLIC_KEY_MAX)
        return kw_fail(err, KW_E_FORMAT, "noise: an identity key of %zu bytes (1 to %d)", key->len,
                       KW_PUBLIC_KEY_MAX);
    uint8_t text[SIGNED_LEN];
    what_is_signed(noise->their_fixed, text);
    if (!kw_identity_verify(*key, (kw_bytes){text, sizeof text}, signature))
        return kw_fail(err, KW_E_FORMAT,
                       "noise: the peer's identity key did not sign its static key");
    *peer = kw_peer_id_of(*key);
    return KW_OK;
}
