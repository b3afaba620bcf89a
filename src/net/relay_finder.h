/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* relay_finder.h - relays for a node that nobody can dial, chosen by itself: among the peers that
 * it dialed, and those whom a lookup in the DHT comes upon. */
#ifndef KW_NET_RELAY_FINDER_H
#define KW_NET_RELAY_FINDER_H

#include "net/autonat.h"
#include "net/kad.h"
#include "net/relay.h"

typedef struct kw_relay_finder kw_relay_finder;

typedef struct kw_relay_finder_config {
    kw_host *host;
    kw_relay *relay;
    kw_kad *kad; /* borrowed, closed after it; NULL: only who is connected */
    /* Private: relays are wanted; public: those that were found are given up; unknown: as it is. */
    kw_reach (*reach)(void *user);
    void *user;
    bool anywhere;      /* relays in a private network count too; else only those of the Internet */
    size_t n_wanted;    /* those that were named count, too [2] */
    uint64_t tick_ms;   /* [2,000] */
    uint64_t search_ms; /* between lookups [60,000] */
    uint64_t again_ms;  /* until a relay that failed is asked again [600,000] */
} kw_relay_finder_config;

kw_status kw_relay_finder_open(const kw_relay_finder_config *config, kw_relay_finder **out,
                               kw_error *err);
void kw_relay_finder_close(kw_relay_finder *finder); /* before the relay and the kad */

#endif
