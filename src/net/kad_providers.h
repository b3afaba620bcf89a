/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_providers.h - who said that they have what: provider records with their expiry. */
#ifndef KW_NET_KAD_PROVIDERS_H
#define KW_NET_KAD_PROVIDERS_H

#include "net/kad_key.h"

#define KW_KAD_PROVIDER_TTL_MS (48ULL * 3600 * 1000)
#define KW_KAD_REPUBLISH_MS (22ULL * 3600 * 1000)

typedef struct kw_kad_providers kw_kad_providers;

typedef struct kw_kad_providers_config {
    kw_kad_key self; /* where we are: records far from here leave first when there are too many */
    uint64_t salt;   /* random */
    size_t max_records; /* 0: 100,000 */
    size_t max_of_peer; /* 0: 1,000 */
} kw_kad_providers_config;

kw_status kw_kad_providers_open(const kw_kad_providers_config *config, kw_kad_providers **out,
                                kw_error *err);
void kw_kad_providers_free(kw_kad_providers *providers);
/* Says that a peer has what the key names, until a time; said again, it is the later time.
 * UINT64_MAX is for ourselves, who may say any number. KW_E_LIMIT: the peer has said too much, or
 * all records are of keys closer to us. */
kw_status kw_kad_providers_put(kw_kad_providers *providers, const kw_kad_key *key,
                               const kw_peer_id *peer, uint64_t expires_ms, kw_error *err);
/* Takes back what was said. */
void kw_kad_providers_drop(kw_kad_providers *providers, const kw_kad_key *key,
                           const kw_peer_id *peer);
/* Those of a key, at most n, the ones that were said last first. */
size_t kw_kad_providers_get(const kw_kad_providers *providers, const kw_kad_key *key,
                            uint64_t now_ms, kw_peer_id *out, size_t n);
/* Drops what has expired. */
void kw_kad_providers_sweep(kw_kad_providers *providers, uint64_t now_ms);
size_t kw_kad_providers_count(const kw_kad_providers *providers);

#endif
