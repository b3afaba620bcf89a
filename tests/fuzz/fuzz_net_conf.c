/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_conf.c - any text as the key of a private network (swarm.key) and as a resolv.conf. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "net/dnsaddr.h"
#include "net/psk.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const kw_str text = {(const char *)data, size};
    uint8_t key[32];
    kw_dns_server servers[KW_DNSADDR_SERVERS];
    kw_error err = {.message = ""};
    if (kw_psk_parse(text, key, &err) == KW_OK)
        promise(size >= 64);
    else
        promise(err.message[0] != '\0');
    const size_t n = kw_dns_servers(text, servers);
    promise(n <= KW_DNSADDR_SERVERS);
    for (size_t i = 0; i < n; i++)
        promise(memchr(servers[i].ip, '\0', sizeof servers[i].ip) != NULL && servers[i].ip[0]);
    return 0;
}
