/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fetch_progress.c - lines of progress. */
#include "cli/net/fetch_progress.h"

#include "base/decimal.h"
#include "os/system.h"

#include <string.h>

#define SECOND_NS UINT64_C(1000000000)
#define PLAIN_NS (10 * SECOND_NS) /* between lines where there is no terminal */

/* "2 min", "3 h 05 min" */
static char *print_rest(uint64_t seconds, char out[32])
{
    if (seconds < 60)
        snprintf(out, 32, "%ju s", (uintmax_t)seconds);
    else if (seconds < 3600)
        snprintf(out, 32, "%ju min", (uintmax_t)(seconds / 60));
    else
        snprintf(out, 32, "%ju h %02ju min", (uintmax_t)(seconds / 3600),
                 (uintmax_t)(seconds / 60 % 60));
    return out;
}

/* The source that sends most, "" before there is one. */
static void print_source(const kw_fetch_progress *p, char *out, size_t size)
{
    const kw_fetch_share *most = NULL;
    size_t n_active = 0;
    for (size_t i = 0; i < p->n_shares; i++) {
        const kw_fetch_share *const s = &p->shares[i];
        if (s->dropped || !s->from[0])
            continue;
        n_active++;
        if (!most || s->bytes > most->bytes)
            most = s;
    }
    out[0] = 0;
    if (most && n_active > 1)
        snprintf(out, size, " from %s (%s) and %zu more", most->name, most->from, n_active - 1);
    else if (most)
        snprintf(out, size, " from %s (%s)", most->name, most->from);
}

static void print_state(const kw_fetch_progress *p, char *out, size_t size)
{
    char done[16], all[16], rate[16], rest[32], source[160];
    if (p->size == KW_SIZE_UNKNOWN) {
        snprintf(out, size, "looking for it");
        return;
    }
    if (p->verifying) {
        snprintf(out, size, "verifying %s", kw_print_bytes(p->size, all));
        return;
    }
    print_source(p, source, sizeof(source));
    const int percent = p->size ? (int)((double)p->bytes * 100.0 / (double)p->size) : 100;
    int n = snprintf(out, size, "%d%% of %s (%s)", percent, kw_print_bytes(p->size, all),
                     kw_print_bytes(p->bytes, done));
    if (p->bytes_per_s > 0 && n > 0 && (size_t)n < size)
        snprintf(out + n, size - (size_t)n, ", %s/s%s, %s left",
                 kw_print_bytes(p->bytes_per_s, rate), source,
                 print_rest((p->size - p->bytes) / p->bytes_per_s, rest));
}

void kw_fetch_line_show(kw_fetch_line *line, const char *file, const kw_fetch_progress *progress)
{
    kw_cli *const cli = line->cli;
    const uint64_t now = kw_clock_ns();
    char state[300];
    if (!cli->err_tty && line->told_ns == 0)
        line->told_ns = now;
    if (!cli->err_tty && now - line->told_ns < PLAIN_NS)
        return;
    line->told_ns = now;
    print_state(progress, state, sizeof(state));
    if (cli->err_tty)
        kw_cli_progress(cli, "%.80s: %s", file, state);
    else
        kw_cli_note(cli, "%.80s: %s", file, state);
}

char *kw_print_shares(const kw_fetch_share *shares, size_t n, char *out, size_t size)
{
    char bytes[16];
    size_t len = 0;
    out[0] = 0;
    for (size_t i = 0; i < n && len < size; i++) {
        if (shares[i].bytes == 0)
            continue;
        const int more =
            snprintf(out + len, size - len, "%s%s (%s) %s", len ? ", " : "", shares[i].name,
                     shares[i].from, kw_print_bytes(shares[i].bytes, bytes));
        len += more > 0 ? (size_t)more : 0;
    }
    return out;
}

kw_status kw_parse_rate(const char *option, const char *text, uint64_t *out, kw_error *err)
{
    static const char units[] = "KMG";
    size_t len = strlen(text);
    double factor = 1, value;
    const char *const unit = len > 0 ? strchr(units, text[len - 1] & ~0x20) : NULL;
    if (unit) {
        for (const char *u = units; u <= unit; u++)
            factor *= 1024;
        len--;
    }
    if (!kw_decimal_f64((kw_str){text, len}, &value) || !(value * factor >= 1) ||
        value * factor > 1e15)
        return kw_fail(err, KW_E_ARG, "--%s is \"%.40s\": a number of bytes, as 500K or 2M", option,
                       text);
    *out = (uint64_t)(value * factor);
    return KW_OK;
}
