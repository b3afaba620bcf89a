/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pull_routes.c - see pull_routes.h. */
#include "cli/net/pull_routes.h"

#include "cli/interrupt.h"
#include "os/system.h"

#define USUAL_ROUTER "https://delegated-ipfs.dev"
#define ROUTERS_MAX 4
#define ROOTS_MAX 4 /* files of one directory have one */
#define WAIT_NS UINT64_C(10000000000)

typedef struct wait {
    uint64_t until;
} wait;

static bool still(void *user)
{
    const wait *const w = user;
    return !kw_interrupt_seen() && kw_clock_ns() < w->until;
}

/* The roots of the files, each once. */
static size_t roots_of(const kw_listing *files, kw_cid out[ROOTS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < files->n && n < ROOTS_MAX; i++) {
        bool known = !files->files[i].has_root;
        for (size_t k = 0; k < n; k++)
            known = known || kw_cid_equal(&out[k], &files->files[i].root);
        if (!known)
            out[n++] = files->files[i].root;
    }
    return n;
}

static void ask(kw_cli *cli, const kw_router *router, const kw_cid *roots, size_t n, kw_routed *out)
{
    for (size_t i = 0; i < n && router->still(router->user); i++) {
        kw_error err = {0};
        if (kw_routing_find(router, &roots[i], out, &err) != KW_OK) {
            kw_cli_note(cli, "the router %s is of no use: %s", router->url, err.message);
            return;
        }
    }
}

void kw_pull_routes(kw_cli *cli, kw_web *web, const kw_listing *files, kw_routed *out)
{
    const kw_options *const o = &cli->parsed.options;
    kw_cid roots[ROOTS_MAX];
    const size_t n = roots_of(files, roots);
    wait limit = {kw_clock_ns() + WAIT_NS};
    kw_router router = {.web = web, .url = USUAL_ROUTER, .still = still, .user = &limit};
    *out = (kw_routed){.n_peers = 0};
    if (n == 0)
        return;
    if (o->routers.n == 0 && o->gateways.n == 0)
        ask(cli, &router, roots, n, out);
    for (size_t i = 0; i < o->routers.n && i < ROUTERS_MAX; i++) {
        router.url = o->routers.items[i];
        ask(cli, &router, roots, n, out);
    }
}
