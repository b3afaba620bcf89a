/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pulls_words.c - what the owner asks for: NAME=VALUE, with %XX. See pulls.h. */
#include "node/pulls_internal.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

static int digit(char c)
{
    const char lower = (char)(c | 0x20);
    return c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Undoes %XX in place; false for one that is none, or a zero. */
static bool decode(char *text)
{
    char *to = text;
    for (const char *at = text; *at; at++) {
        if (*at != '%') {
            *to++ = *at;
            continue;
        }
        const int high = digit(at[1]), low = high < 0 ? -1 : digit(at[2]);
        if (low < 0 || (high == 0 && low == 0))
            return false;
        *to++ = (char)(high << 4 | low);
        at += 2;
    }
    *to = 0;
    return true;
}

static kw_status read_name(const char *what, const char *value, char out[KW_REF_NAME_MAX + 1],
                           kw_error *err)
{
    const kw_str text = kw_str_from(value);
    if (!kw_path_is_safe(text))
        return kw_fail(err, KW_E_ARG, "pull: %s \"%.80s\" cannot be a path", what, value);
    memcpy(out, value, text.len + 1);
    return KW_OK;
}

static kw_status read_url(kw_pull *p, const char *value, kw_error *err)
{
    const size_t len = strlen(value);
    if (len > KW_REF_URL_MAX)
        return kw_fail(err, KW_E_LIMIT, "pull: a URL of %zu bytes (at most %d)", len,
                       KW_REF_URL_MAX);
    memcpy(p->file.url, value, len + 1);
    return KW_OK;
}

static kw_status read_sha256(kw_pull *p, const char *value, kw_error *err)
{
    size_t n = 0;
    for (; n < 64 && digit(value[n]) >= 0; n++)
        p->file.sha256[n / 2] = (uint8_t)(p->file.sha256[n / 2] << 4 | digit(value[n]));
    p->file.has_sha256 = n == 64 && !value[n];
    return p->file.has_sha256 ? KW_OK : kw_fail(err, KW_E_ARG, "pull: sha256 \"%.80s\"", value);
}

static kw_status read_number(const char *what, const char *value, uint64_t *out, kw_error *err)
{
    uint64_t n = 0;
    const char *at = value;
    for (; *at >= '0' && *at <= '9' && n < UINT64_MAX / 10 - 9; at++)
        n = n * 10 + (uint64_t)(*at - '0');
    if (*at || at == value)
        return kw_fail(err, KW_E_ARG, "pull: %s \"%.40s\" is no number of bytes", what, value);
    *out = n;
    return KW_OK;
}

static kw_status read_gateway(kw_pull *p, const char *value, kw_error *err)
{
    if (p->n_gateways == KW_PULL_GATEWAYS)
        return kw_fail(err, KW_E_LIMIT, "pull: more than %d gateways", KW_PULL_GATEWAYS);
    char *const url = strdup(value);
    if (!url)
        return kw_fail(err, KW_E_NOMEM, "pull: no memory");
    p->gateways[p->n_gateways++] = url;
    return KW_OK;
}

static kw_status read_peer(kw_pull *p, const char *value, kw_error *err)
{
    if (p->n_peers == KW_PULL_PEERS)
        return kw_fail(err, KW_E_LIMIT, "pull: more than %d peers", KW_PULL_PEERS);
    KW_TRY(kw_multiaddr_parse(kw_str_from(value), &p->peers[p->n_peers], err));
    p->n_peers++;
    return KW_OK;
}

static kw_status read_word(kw_pull *p, char *word, kw_error *err)
{
    char *const value = strchr(word, '=');
    if (!value || !decode(value + 1))
        return kw_fail(err, KW_E_ARG, "pull: \"%.80s\" is not NAME=VALUE", word);
    *value = 0;
    if (strcmp(word, "model") == 0)
        return read_name(word, value + 1, p->model, err);
    if (strcmp(word, "file") == 0)
        return read_name(word, value + 1, p->file.name, err);
    if (strcmp(word, "url") == 0)
        return read_url(p, value + 1, err);
    if (strcmp(word, "sha256") == 0)
        return read_sha256(p, value + 1, err);
    if (strcmp(word, "gateway") == 0)
        return read_gateway(p, value + 1, err);
    if (strcmp(word, "peer") == 0)
        return read_peer(p, value + 1, err);
    if (strcmp(word, "size") == 0)
        return read_number(word, value + 1, &p->file.size, err);
    if (strcmp(word, "rate") == 0)
        return read_number(word, value + 1, &p->bytes_per_s, err);
    if (strcmp(word, "inside") != 0)
        return kw_fail(err, KW_E_ARG, "pull: \"%.40s\" is not known", word);
    p->file.inside = value[1] == '1';
    return KW_OK;
}

kw_status kw_pull_read(kw_pull *p, char *const *words, size_t n, kw_error *err)
{
    p->file.size = KW_SIZE_UNKNOWN;
    KW_TRY(kw_cid_parse(kw_str_from(words[0]), &p->file.root, err));
    p->file.has_root = true;
    for (size_t i = 1; i < n; i++)
        KW_TRY(read_word(p, words[i], err));
    if (!p->model[0] || !p->file.name[0])
        return kw_fail(err, KW_E_ARG, "pull: it wants model= and file=");
    return KW_OK;
}
