/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* contribution.c - deciding whether to give. See contribution.h. */
#include "node/contribution.h"

#include <stdlib.h>

#include "base/check.h"

#define BATTERY_MIN 50 /* percent */
#define LOOK_MS 5000

const char *kw_contribute_name(kw_contribute policy)
{
    static const char *const names[] = {"when-optimal", "always", "never"};
    return (size_t)policy < KW_COUNT(names) ? names[policy] : "never";
}

bool kw_contribute_parse(kw_str text, kw_contribute *out)
{
    for (int p = KW_CONTRIBUTE_WHEN_OPTIMAL; p <= KW_CONTRIBUTE_NEVER; p++) {
        *out = (kw_contribute)p;
        if (kw_str_is(text, kw_contribute_name(*out)))
            return true;
    }
    return false;
}

static bool decide_optimal(const kw_conditions *conditions, const char **why)
{
    const kw_power *const power = &conditions->power;
    if (conditions->metered) {
        *why = "the network is metered";
        return false;
    }
    if (!power->battery) {
        *why = "no battery";
        return true;
    }
    if (!power->external && !power->charging) {
        *why = "on battery";
        return false;
    }
    *why = power->percent > BATTERY_MIN ? "plugged in, and the battery above half"
                                        : "the battery is at half or below";
    return power->percent > BATTERY_MIN;
}

bool kw_contribution_decide(kw_contribute policy, const kw_conditions *conditions, const char **why)
{
    switch (policy) {
    case KW_CONTRIBUTE_ALWAYS:
        *why = "always";
        return true;
    case KW_CONTRIBUTE_NEVER:
        *why = "never";
        return false;
    case KW_CONTRIBUTE_WHEN_OPTIMAL:
        break;
    }
    return decide_optimal(conditions, why);
}

/* ---- while a node runs ---- */

struct kw_contribution {
    kw_contribution_config config;
    kw_timer *timer;
    kw_block_store inner;
    bool gives;
    const char *why;
};

static void decide(kw_contribution *c)
{
    kw_conditions now = {.power = {.external = true, .percent = 100}};
    if (c->config.read)
        c->config.read(c->config.user, &now);
    c->gives = kw_contribution_decide(c->config.policy, &now, &c->why);
}

static void look(void *user)
{
    kw_contribution *const c = user;
    const bool before = c->gives;
    decide(c);
    if (c->gives != before)
        kw_log_print(c->config.log, KW_LOG_INFO, "%s to others: %s",
                     c->gives ? "gives" : "gives nothing", c->why);
}

kw_status kw_contribution_open(kw_loop *loop, const kw_contribution_config *config,
                               kw_contribution **out, kw_error *err)
{
    kw_contribution *c = calloc(1, sizeof *c);
    if (!c)
        return kw_fail(err, KW_E_NOMEM, "contribution: no memory");
    c->config = *config;
    const kw_status status = kw_timer_open(loop, look, c, &c->timer, err);
    if (status != KW_OK) {
        free(c);
        return status;
    }
    decide(c);
    kw_timer_set(c->timer, LOOK_MS, LOOK_MS);
    *out = c;
    return KW_OK;
}

void kw_contribution_close(kw_contribution *c)
{
    if (!c)
        return;
    kw_timer_close(c->timer);
    free(c);
}

bool kw_contribution_gives(const kw_contribution *c, const char **why)
{
    if (why)
        *why = c->why;
    return c->gives;
}

/* ---- blocks ---- */

static bool has_block(void *user, const kw_cid *cid, size_t *size)
{
    const kw_contribution *const c = user;
    return c->gives && c->inner.has(c->inner.user, cid, size);
}

static kw_status get_block(void *user, const kw_cid *cid, kw_block *out, kw_error *err)
{
    const kw_contribution *const c = user;
    return c->gives ? c->inner.get(c->inner.user, cid, out, err)
                    : kw_fail(err, KW_E_NOTFOUND, "nothing is given now: %s", c->why);
}

static void release_block(void *user, kw_block *block)
{
    const kw_contribution *const c = user;
    c->inner.release(c->inner.user, block);
}

kw_block_store kw_contribution_store(kw_contribution *c, kw_block_store inner)
{
    c->inner = inner;
    return (kw_block_store){
        .user = c, .has = has_block, .get = get_block, .release = release_block};
}
