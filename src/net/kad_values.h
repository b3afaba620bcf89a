/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_values.h - small signed or self-certifying values under a key, each checked by the validator
 * of its namespace ("/kwaai/...", "/pk/..."). */
#ifndef KW_NET_KAD_VALUES_H
#define KW_NET_KAD_VALUES_H

#include "net/kad_message.h"

#define KW_KAD_VALUE_TTL_MS (48ULL * 3600 * 1000)

/* Keys without a validator are refused. "/pk/" is built in. */
typedef struct kw_kad_validator {
    const char *prefix; /* "/kwaai/"; borrowed */
    /* Whether the value may stand under the key. */
    bool (*valid)(void *user, kw_bytes key, kw_bytes value);
    /* Whether valid value a is to be preferred to valid value b. NULL: the one that was first. */
    bool (*better)(void *user, kw_bytes key, kw_bytes a, kw_bytes b);
    void *user;
} kw_kad_validator;

typedef struct kw_kad_values kw_kad_values;

typedef struct kw_kad_values_config {
    const kw_kad_validator *validators; /* copied */
    size_t n_validators;                /* at most 8 */
    size_t max_values;                  /* 0: 1,024 */
    size_t max_bytes;                   /* 0: 16 MiB, keys and values */
} kw_kad_values_config;

kw_status kw_kad_values_open(const kw_kad_values_config *config, kw_kad_values **out,
                             kw_error *err);
void kw_kad_values_free(kw_kad_values *values);
/* Whether a value may stand under a key at all; no namespace: false. */
bool kw_kad_values_valid(const kw_kad_values *values, kw_bytes key, kw_bytes value);
/* Whether a is to be preferred; both are valid. */
bool kw_kad_values_better(const kw_kad_values *values, kw_bytes key, kw_bytes a, kw_bytes b);
/* KW_E_FORMAT: not valid; KW_E_LIMIT: no room, or a better one is here. */
kw_status kw_kad_values_put(kw_kad_values *values, kw_bytes key, kw_bytes value,
                            uint64_t expires_ms, kw_error *err);
/* A view until the next put or sweep. */
bool kw_kad_values_get(const kw_kad_values *values, kw_bytes key, uint64_t now_ms, kw_bytes *out);
void kw_kad_values_sweep(kw_kad_values *values, uint64_t now_ms);

#endif
