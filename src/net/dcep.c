/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dcep.c - the Data Channel Establishment Protocol. See dcep.h. */
#include "net/dcep.h"

static size_t get_u16(const uint8_t *p)
{
    return (size_t)p[0] << 8 | p[1];
}

kw_status kw_dcep_read(kw_bytes message, kw_dcep *out, kw_error *err)
{
    const uint8_t *const p = message.data;
    if (message.len == 0)
        return kw_fail(err, KW_E_FORMAT, "dcep: an empty message");
    if (p[0] == KW_DCEP_ACK) {
        *out = (kw_dcep){.kind = KW_DCEP_ACK};
        return KW_OK;
    }
    if (p[0] != KW_DCEP_OPEN)
        return kw_fail(err, KW_E_FORMAT, "dcep: a message of type %u", p[0]);
    if (message.len < KW_DCEP_OPEN_LEN)
        return kw_fail(err, KW_E_FORMAT, "dcep: an open of %zu bytes (at least %d)", message.len,
                       KW_DCEP_OPEN_LEN);
    const size_t label = get_u16(p + 8), protocol = get_u16(p + 10);
    if (KW_DCEP_OPEN_LEN + label + protocol != message.len)
        return kw_fail(err, KW_E_FORMAT,
                       "dcep: an open of %zu bytes says that label and protocol have %zu and %zu",
                       message.len, label, protocol);
    const char *const text = (const char *)p + KW_DCEP_OPEN_LEN;
    *out = (kw_dcep){.kind = KW_DCEP_OPEN,
                     .channel_type = p[1],
                     .label = {text, label},
                     .protocol = {text + label, protocol}};
    return KW_OK;
}

void kw_dcep_open(uint8_t out[KW_DCEP_OPEN_LEN])
{
    memset(out, 0, KW_DCEP_OPEN_LEN); /* type 0, no priority, no reliability, no names */
    out[0] = KW_DCEP_OPEN;
}
