/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_multistream.c - any bytes as what the other end of multistream-select says, to either
 * end: however they are cut, what is agreed on, what is answered and what is left for the protocol
 * are the same. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "net/multistream.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct outcome {
    kw_multistream_state state;
    size_t used;
    char chosen[KW_MULTISTREAM_MAX + 2];
    kw_buf out;
} outcome;

static const char *const names[] = {"/noise", "/yamux/1.0.0", "/ipfs/ping/1.0.0"};

static bool speaks(void *user, const char *protocol)
{
    (void)user;
    return strcmp(protocol, names[1]) == 0 || strcmp(protocol, names[2]) == 0;
}

static void run(kw_bytes in, bool initiator, size_t step, outcome *o)
{
    kw_multistream m;
    *o = (outcome){.state = KW_MULTISTREAM_MORE};
    if (initiator)
        kw_multistream_propose(&m, names, 3, &o->out);
    else
        kw_multistream_answer(&m, speaks, NULL, &o->out);
    while (o->state == KW_MULTISTREAM_MORE && o->used < in.len) {
        const size_t n = step < in.len - o->used ? step : in.len - o->used;
        size_t used;
        o->state = kw_multistream_feed(&m, (kw_bytes){in.data + o->used, n}, &used, &o->out);
        promise(used <= n && (used == n || o->state != KW_MULTISTREAM_MORE));
        o->used += used;
    }
    promise((m.chosen != NULL) == (o->state == KW_MULTISTREAM_DONE));
    if (m.chosen) {
        promise(strlen(m.chosen) < sizeof o->chosen);
        promise(initiator || speaks(NULL, m.chosen));
        strcpy(o->chosen, m.chosen);
    }
    kw_multistream_free(&m);
}

/* The first byte says which end, and how the rest is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    outcome whole, cut;
    if (size == 0)
        return 0;
    const kw_bytes in = {data + 1, size - 1};
    run(in, data[0] % 2 == 0, size, &whole);
    run(in, data[0] % 2 == 0, 1 + data[0] / 2, &cut);
    promise(whole.state == cut.state && whole.used == cut.used);
    promise(strcmp(whole.chosen, cut.chosen) == 0 && whole.out.len == cut.out.len);
    promise(memcmp(whole.out.data, cut.out.data, cut.out.len) == 0);
    kw_buf_free(&whole.out);
    kw_buf_free(&cut.out);
    return 0;
}
