/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bans.c - what the owner says about whom the node talks to. See bans.h. */
#include "cli/net/bans.h"

#include "cli/net/home.h"
#include "node/reputation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static kw_status open_reputation(kw_cli *cli, kw_home *home, kw_reputation **out, kw_error *err)
{
    KW_TRY(kw_home_open(cli, true, home, err));
    const kw_reputation_config config = {.path = home->node};
    const kw_status status = kw_reputation_open(&config, out, err);
    if (status != KW_OK)
        kw_home_close(home);
    return status;
}

/* "30m" in seconds. */
static kw_status parse_time(const char *text, int64_t *out, kw_error *err)
{
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end;
    const double n = strtod(text, &end);
    *out = KW_REPUTATION_FOREVER;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (end == text || *end != units[i].letter || end[1])
            continue;
        const double seconds = n * (double)units[i].seconds;
        if (!(seconds >= 1 && seconds <= 1e10))
            break;
        *out = (int64_t)seconds;
        return KW_OK;
    }
    return kw_fail(err, KW_E_ARG,
                   "--for is \"%.40s\": a number with s, m, h or d behind it, like 90s or 7d",
                   text);
}

static kw_status change(kw_cli *cli, const char *whom, int64_t seconds, kw_error *err)
{
    kw_home home;
    kw_reputation *reputation;
    kw_peer_id peer;
    kw_multiaddr addr;
    KW_TRY(kw_reputation_parse(kw_str_from(whom), &peer, &addr, err));
    KW_TRY(open_reputation(cli, &home, &reputation, err));
    kw_status status = seconds ? kw_reputation_ban(reputation, &peer, &addr, seconds, err)
                               : kw_reputation_unban(reputation, &peer, &addr, err);
    if (status == KW_E_NOTFOUND) { /* as it shall be */
        kw_cli_note(cli, "nothing is held against %s", whom);
        status = KW_OK;
    }
    kw_reputation_close(reputation);
    kw_home_close(&home);
    return status;
}

kw_status kw_cli_ban(kw_cli *cli, const char *whom, kw_error *err)
{
    int64_t seconds = KW_REPUTATION_FOREVER;
    if (cli->parsed.options.ban_for)
        KW_TRY(parse_time(cli->parsed.options.ban_for, &seconds, err));
    return change(cli, whom, seconds, err);
}

kw_status kw_cli_unban(kw_cli *cli, const char *whom, kw_error *err)
{
    return change(cli, whom, 0, err);
}

static void print_time(int64_t seconds, char *out, size_t size)
{
    if (seconds == 0)
        (void)snprintf(out, size, "-");
    else if (seconds == KW_REPUTATION_FOREVER)
        (void)snprintf(out, size, "banned");
    else if (seconds < 7200)
        (void)snprintf(out, size, "%lld min", (long long)((seconds + 59) / 60));
    else
        (void)snprintf(out, size, "%lld h", (long long)((seconds + 3599) / 3600));
}

static void print_row(void *user, const kw_reputation_row *row)
{
    kw_cli *const cli = user;
    char time[32];
    if (row->ban_s == 0 && fabs(row->score) < 0.5)
        return;
    print_time(row->ban_s, time, sizeof time);
    kw_out_printf(&cli->out, "%-52s %6.1f  %-9s %s\n", row->who, row->score, time, row->why);
}

kw_status kw_cli_bans(kw_cli *cli, kw_error *err)
{
    kw_home home;
    kw_reputation *reputation;
    KW_TRY(open_reputation(cli, &home, &reputation, err));
    if (cli->parsed.options.json) {
        kw_buf json = {0};
        kw_reputation_json(reputation, &json);
        kw_out_write(&cli->out, json.data ? json.data : "[]", json.data ? json.len : 2);
        kw_out_puts(&cli->out, "\n");
        kw_buf_free(&json);
    } else {
        kw_out_printf(&cli->out, "%-52s %6s  %-9s %s\n", "WHO", "SCORE", "BAN", "WHY");
        kw_reputation_each(reputation, print_row, cli);
    }
    kw_reputation_close(reputation);
    kw_home_close(&home);
    return KW_OK;
}
