/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_relay.c - any bytes as a message to a relay, as one from it, as a signed envelope, and
 * as one of those that arrange a direct connection or ask to be dialed back (both versions):
 * what was read can be written and reads the same again. The first byte chooses. */
#include "net/autonat2_message.h"
#include "net/autonat_message.h"
#include "net/dcutr_message.h"
#include "net/envelope.h"
#include "net/relay_message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void message(kw_relay_side side, kw_bytes in)
{
    static kw_relay_message first, again;
    kw_buf out = {0};
    if (kw_relay_message_get(side, in, &first, NULL) != KW_OK)
        return;
    kw_relay_message_put(side, &first, &out);
    require(kw_relay_message_get(side, (kw_bytes){(const uint8_t *)out.data, out.len}, &again,
                                 NULL) == KW_OK);
    require(again.type == first.type && again.status == first.status);
    require(kw_peer_id_equal(&again.peer, &first.peer));
    require(again.has_reservation == first.has_reservation && again.n_addrs == first.n_addrs);
    for (size_t i = 0; i < first.n_addrs; i++)
        require(kw_multiaddr_equal(&again.addrs[i], &first.addrs[i]));
    require(again.voucher.len == first.voucher.len && again.expire_s == first.expire_s);
    require(again.has_limit == first.has_limit && again.duration_s == first.duration_s &&
            again.data_bytes == first.data_bytes);
    require(kw_relay_status_text(first.status) != NULL);
    kw_buf_free(&out);
}

static void hole_punch(kw_bytes in)
{
    static kw_dcutr_message first, again;
    kw_buf out = {0};
    if (kw_dcutr_message_get(in, &first, NULL) != KW_OK)
        return;
    kw_dcutr_message_put(&first, &out);
    require(kw_dcutr_message_get((kw_bytes){(const uint8_t *)out.data, out.len}, &again, NULL) ==
            KW_OK);
    require(again.type == first.type && again.n_addrs == first.n_addrs);
    for (size_t i = 0; i < first.n_addrs; i++)
        require(kw_multiaddr_equal(&again.addrs[i], &first.addrs[i]));
    kw_buf_free(&out);
}

static void dial_back(kw_bytes in)
{
    static kw_autonat_message first, again;
    kw_buf out = {0};
    if (kw_autonat_message_get(in, &first, NULL) != KW_OK)
        return;
    kw_autonat_message_put(&first, &out);
    require(kw_autonat_message_get((kw_bytes){(const uint8_t *)out.data, out.len}, &again, NULL) ==
            KW_OK);
    require(again.type == first.type && again.status == first.status &&
            kw_peer_id_equal(&again.peer, &first.peer));
    require(again.n_addrs == first.n_addrs ||
            (again.type == KW_AUTONAT_ANSWER && again.n_addrs == 1));
    kw_buf_free(&out);
}

static void dial_one(kw_bytes in)
{
    static kw_autonat2_message first, again;
    kw_buf out = {0};
    uint64_t nonce, read;
    if (kw_autonat2_nonce_get(in, &nonce, NULL) == KW_OK) {
        kw_autonat2_nonce_put(nonce, &out);
        require(kw_autonat2_nonce_get((kw_bytes){(const uint8_t *)out.data, out.len}, &read,
                                      NULL) == KW_OK &&
                read == nonce);
        kw_buf_free(&out);
    }
    if (kw_autonat2_message_get(in, &first, NULL) != KW_OK)
        return;
    kw_autonat2_message_put(&first, &out);
    require(kw_autonat2_message_get((kw_bytes){(const uint8_t *)out.data, out.len}, &again, NULL) ==
            KW_OK);
    require(again.type == first.type && again.nonce == first.nonce && again.place == first.place);
    require(again.status == first.status && again.dialed == first.dialed &&
            again.n_bytes == first.n_bytes && again.data.len == first.data.len);
    require(again.n_addrs == first.n_addrs && again.n_addrs <= KW_AUTONAT2_ADDRS);
    for (size_t i = 0; i < first.n_addrs; i++)
        require(kw_multiaddr_equal(&again.addrs[i], &first.addrs[i]) && again.places[i] == i &&
                first.places[i] >= i);
    kw_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t type[] = {0x03, 0x02};
    kw_peer_id signer;
    kw_bytes payload;
    if (size == 0)
        return 0;
    const kw_bytes in = {data + 1, size - 1};
    if (data[0] % 6 == 5)
        dial_one(in);
    else if (data[0] % 6 == 4)
        dial_back(in);
    else if (data[0] % 6 == 3)
        hole_punch(in);
    else if (data[0] % 6 < 2)
        message(data[0] % 6 == 0 ? KW_RELAY_HOP : KW_RELAY_STOP, in);
    else if (kw_envelope_open(in, KW_STR("libp2p-relay-rsvp"), (kw_bytes){type, sizeof type},
                              &signer, &payload, NULL) == KW_OK)
        require(signer.len > 0 && payload.len <= in.len);
    return 0;
}
