/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_dns.c - any datagram is walked to its end or refused. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "net/mdns_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_dns_message message;
    kw_dns_record record;
    kw_dns_name name;
    kw_mdns_answer said;
    if (kw_mdns_read((kw_bytes){data, size}, &said) == KW_MDNS_ANSWER &&
        (said.n_addrs == 0 || said.n_addrs > KW_MDNS_ADDRS || said.peer.len == 0))
        abort();
    if (kw_dns_get((kw_bytes){data, size}, &message, NULL) != KW_OK)
        return 0;
    while (kw_dns_question(&message, &record))
        (void)kw_dns_name_is(&record.name, "_p2p._udp.local");
    while (kw_dns_record_next(&message, &record)) {
        kw_str text;
        size_t sum = 0;
        for (size_t at = 0; kw_dns_text(&record, &at, &text);)
            sum += text.len;
        if (sum > size ||
            (kw_dns_target(&message, &record, &name) && strlen(name.text) >= KW_DNS_NAME_MAX))
            abort();
    }
    return 0;
}
