/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dcep.h - the two messages that open a data channel (RFC 8832). */
#ifndef KW_NET_DCEP_H
#define KW_NET_DCEP_H

#include "base/error.h"
#include "base/str.h"

#define KW_DCEP_OPEN_LEN 12 /* with an empty label, as libp2p wants it */

typedef enum kw_dcep_kind { KW_DCEP_ACK = 2, KW_DCEP_OPEN = 3 } kw_dcep_kind;

typedef struct kw_dcep {
    kw_dcep_kind kind;
    uint8_t channel_type;   /* 0: reliable and in order; the one kind that carries a stream */
    kw_str label, protocol; /* views */
} kw_dcep;

kw_status kw_dcep_read(kw_bytes message, kw_dcep *out, kw_error *err);
void kw_dcep_open(uint8_t out[KW_DCEP_OPEN_LEN]);

#endif
