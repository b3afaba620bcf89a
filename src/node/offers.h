/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* offers.h - tells the DHT what the index offers: each manifest by name, by its SHA-256 and by its
 * publisher, and the root of each of its files. Looks again each few seconds, since other processes
 * publish. On the thread of the host's loop. */
#ifndef KW_NODE_OFFERS_H
#define KW_NODE_OFFERS_H

#include "hub/index.h"
#include "net/kad.h"

typedef struct kw_offers kw_offers;

/* All borrowed. */
kw_status kw_offers_open(kw_loop *loop, kw_kad *kad, kw_index *index, kw_offers **out,
                         kw_error *err);
void kw_offers_close(kw_offers *offers); /* before the kw_kad */

#endif
