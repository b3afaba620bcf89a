/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* node_pull.c - the request to the node, and what it answers. */
#include "cli/net/node_pull.h"

#include "base/check.h"
#include "base/json.h"
#include "base/sha256.h"
#include "cli/net/owner.h"
#include "node/control.h"
#include "node/pulls.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_MS 10000
#define ASK_MS 200

bool kw_node_pull_runs(const char *dir)
{
    int node;
    if (kw_owner_connect(dir, &node, NULL) != KW_OK)
        return false;
    kw_owner_disconnect(node);
    return true;
}

/* The first address of TCP, with the node's id at its end, of what the node says of itself. */
static bool find_addr(kw_str text, kw_multiaddr *out)
{
    kw_json json;
    kw_json_token token;
    kw_multiaddr_part tcp, ws, id;
    bool list = false;
    kw_json_init(&json, text, "the node's answer");
    while (kw_json_next(&json, &token, NULL) == KW_OK && token.kind != KW_JSON_END) {
        if (token.kind == KW_JSON_KEY)
            list = kw_str_is(token.text, "addrs");
        else if (list && token.kind == KW_JSON_STRING &&
                 kw_multiaddr_parse(token.text, out, NULL) == KW_OK &&
                 kw_multiaddr_find(out, KW_MA_TCP, &tcp) &&
                 kw_multiaddr_find(out, KW_MA_P2P, &id) && !kw_multiaddr_find(out, KW_MA_WS, &ws))
            return true;
    }
    return false;
}

bool kw_node_addr(const char *dir, kw_multiaddr *out)
{
    kw_buf reply = {0};
    int node;
    if (kw_owner_connect(dir, &node, NULL) != KW_OK)
        return false;
    const bool found = kw_owner_ask(node, "status", ANSWER_MS, &reply, NULL) == KW_OK &&
                       find_addr((kw_str){reply.data, reply.len}, out);
    kw_buf_free(&reply);
    kw_owner_disconnect(node);
    return found;
}

/* ---- the request ---- */

static void put_value(kw_buf *out, const char *name, const char *value)
{
    static const char plain[] = "-._/:,+";
    kw_buf_printf(out, " %s=", name);
    for (const char *at = value; *at; at++) {
        const bool letter =
            (*at >= '0' && *at <= '9') || ((*at | 0x20) >= 'a' && (*at | 0x20) <= 'z');
        if (letter || strchr(plain, *at))
            kw_buf_add(out, at, 1);
        else
            kw_buf_printf(out, "%%%02X", (unsigned)(unsigned char)*at);
    }
}

/* Whether the line takes one more address, each byte of it written as three. */
static bool has_room(const kw_buf *out)
{
    return out->len + 3 * (size_t)KW_MULTIADDR_TEXT_MAX < KW_CONTROL_LINE_MAX;
}

static void put_request(const kw_node_pull *pull, kw_buf *out)
{
    char cid[KW_CID_TEXT_MAX];
    kw_cid_text(&pull->file->root, cid);
    kw_buf_printf(out, "pull %s", cid);
    put_value(out, "model", pull->model);
    put_value(out, "file", pull->file->name);
    if (pull->file->inside)
        put_value(out, "inside", "1");
    if (pull->file->size != KW_SIZE_UNKNOWN)
        kw_buf_printf(out, " size=%ju", (uintmax_t)pull->file->size);
    if (pull->file->has_sha256) {
        char hex[65];
        kw_sha256_hex(pull->file->sha256, hex);
        put_value(out, "sha256", hex);
    }
    if (pull->http && pull->file->url[0])
        put_value(out, "url", pull->file->url);
    if (pull->bytes_per_s)
        kw_buf_printf(out, " rate=%ju", (uintmax_t)pull->bytes_per_s);
    for (size_t i = 0; i < pull->peers->n; i++)
        put_value(out, "peer", pull->peers->items[i]);
    for (size_t i = 0; i < pull->gateways->n; i++)
        put_value(out, "gateway", pull->gateways->items[i]);
    for (size_t i = 0; i < pull->routed->n_gateways && has_room(out); i++) {
        if (pull->gateways->n + i < KW_PULL_GATEWAYS)
            put_value(out, "gateway", pull->routed->gateways[i]);
    }
    for (size_t i = 0; i < pull->routed->n_peers && has_room(out); i++) {
        char addr[KW_MULTIADDR_TEXT_MAX];
        kw_multiaddr_text(&pull->routed->peers[i], addr);
        if (pull->peers->n + i < KW_PULL_PEERS)
            put_value(out, "peer", addr);
    }
}

/* ---- the answers ---- */

#define SHARES_MAX 10
typedef struct answer {
    kw_arena arena;
    char refusal[200];
    uint64_t id, code;
    bool over, there;
    kw_str path, sha256, why;
    kw_fetch_progress progress;
    kw_fetch_share shares[SHARES_MAX];
} answer;

static kw_status read_share(kw_json *json, answer *a, kw_error *err)
{
    kw_json_token token;
    kw_fetch_share share = {0};
    uint64_t value;
    for (;;) {
        KW_TRY(kw_json_next(json, &token, err));
        if (token.kind == KW_JSON_OBJECT_END)
            break;
        const kw_str name = token.text;
        kw_str text;
        KW_TRY(kw_json_next(json, &token, err));
        if (token.kind == KW_JSON_STRING) {
            KW_TRY(kw_json_string(json, &token, &a->arena, &text, err));
            if (kw_str_is(name, "name"))
                share.name = kw_arena_strdup(&a->arena, text);
            else
                snprintf(share.from, sizeof(share.from), "%.*s", KW_FMT(text));
            continue;
        }
        KW_TRY(kw_json_u64(json, &token, &value, err));
        if (kw_str_is(name, "bytes"))
            share.bytes = value;
        else if (kw_str_is(name, "bad"))
            share.n_bad = (uint32_t)value;
        else
            share.n_failed = (uint32_t)value;
    }
    if (share.name && a->progress.n_shares < SHARES_MAX)
        a->shares[a->progress.n_shares++] = share;
    return KW_OK;
}

static kw_status read_number(kw_json *json, const kw_json_token *token, kw_str name, answer *a,
                             kw_error *err)
{
    const struct {
        const char *name;
        uint64_t *out;
    } table[] = {{"pull", &a->id},
                 {"status", &a->code},
                 {"size", &a->progress.size},
                 {"bytes", &a->progress.bytes},
                 {"resumed", &a->progress.resumed},
                 {"bytes_per_s", &a->progress.bytes_per_s}};
    for (size_t i = 0; i < KW_COUNT(table); i++)
        if (kw_str_is(name, table[i].name))
            return kw_json_u64(json, token, table[i].out, err);
    return KW_OK;
}

static kw_status read_text(kw_json *json, const kw_json_token *token, kw_str name, answer *a,
                           kw_error *err)
{
    kw_str text;
    KW_TRY(kw_json_string(json, token, &a->arena, &text, err));
    if (kw_str_is(name, "path"))
        a->path = text;
    else if (kw_str_is(name, "sha256"))
        a->sha256 = text;
    else if (kw_str_is(name, "why"))
        a->why = text;
    else if (kw_str_is(name, "error"))
        snprintf(a->refusal, sizeof(a->refusal), "%.*s", KW_FMT(text));
    return KW_OK;
}

static void read_bool(kw_str name, bool value, answer *a)
{
    if (kw_str_is(name, "over"))
        a->over = value;
    else if (kw_str_is(name, "there"))
        a->there = value;
    else if (kw_str_is(name, "verifying"))
        a->progress.verifying = value;
}

static kw_status read_shares(kw_json *json, answer *a, kw_error *err)
{
    kw_json_token token;
    for (;;) {
        KW_TRY(kw_json_next(json, &token, err));
        if (token.kind == KW_JSON_ARRAY_END)
            return KW_OK;
        KW_TRY(read_share(json, a, err));
    }
}

static kw_status read_answer(kw_str text, answer *a, kw_error *err)
{
    kw_json json;
    kw_json_token token;
    a->progress = (kw_fetch_progress){.size = KW_SIZE_UNKNOWN};
    kw_json_init(&json, text, "the node's answer");
    KW_TRY(kw_json_expect(&json, KW_JSON_OBJECT, &token, err));
    for (;;) {
        KW_TRY(kw_json_next(&json, &token, err));
        if (token.kind == KW_JSON_OBJECT_END)
            break;
        const kw_str name = token.text;
        KW_TRY(kw_json_next(&json, &token, err));
        if (token.kind == KW_JSON_NUMBER)
            KW_TRY(read_number(&json, &token, name, a, err));
        else if (token.kind == KW_JSON_STRING)
            KW_TRY(read_text(&json, &token, name, a, err));
        else if (token.kind == KW_JSON_TRUE || token.kind == KW_JSON_FALSE)
            read_bool(name, token.kind == KW_JSON_TRUE, a);
        else if (token.kind == KW_JSON_ARRAY)
            KW_TRY(read_shares(&json, a, err));
    }
    return a->refusal[0] ? kw_fail(err, KW_E_IO, "the node: %s", a->refusal) : KW_OK;
}

static kw_status ask(int node, const char *words, answer *a, kw_error *err)
{
    kw_buf reply = {0};
    kw_arena_free(&a->arena);
    *a = (answer){0};
    kw_status status = kw_owner_ask(node, words, ANSWER_MS, &reply, err);
    if (status == KW_OK) {
        const char *const copy = kw_arena_strdup(&a->arena, (kw_str){reply.data, reply.len});
        status = copy ? read_answer(kw_str_from(copy), a, err)
                      : kw_fail(err, KW_E_NOMEM, "no memory for the node's answer");
    }
    kw_buf_free(&reply);
    return status;
}

/* ---- until the end ---- */

static bool read_digest(kw_str hex, uint8_t out[32])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 64; i++) {
        const char *const at = i < hex.len && hex.data[i] ? strchr(digits, hex.data[i]) : NULL;
        if (!at)
            return false;
        out[i / 2] = (uint8_t)(out[i / 2] << 4 | (at - digits));
    }
    return hex.len == 64;
}

/* As it is known here: the answer's text goes with its arena. */
static const char *source_name(const char *text)
{
    static const char *const names[] = {"peers", "ipfs", "http"};
    for (size_t i = 0; i < KW_COUNT(names); i++)
        if (strcmp(text, names[i]) == 0)
            return names[i];
    return "other";
}

static kw_status take_end(const answer *a, kw_buf *path, kw_fetch_result *result, bool *there,
                          kw_error *err)
{
    if (a->code != KW_OK)
        return kw_fail(err, a->code <= KW_E_INTERNAL ? (kw_status)a->code : KW_E_IO, "%.*s",
                       KW_FMT(a->why));
    path->len = 0;
    kw_buf_add(path, a->path.data, a->path.len);
    *there = a->there;
    result->size = a->progress.size;
    result->resumed = a->progress.resumed;
    result->n_shares = a->progress.n_shares;
    memcpy(result->shares, a->shares, sizeof(a->shares));
    for (size_t i = 0; i < result->n_shares; i++)
        result->shares[i].name = source_name(a->shares[i].name);
    if (!read_digest(a->sha256, result->sha256))
        return kw_fail(err, KW_E_FORMAT, "the node does not say what it fetched");
    return kw_buf_status(path, err);
}

/* Tells the node to end it, and waits until it has. A connection of its own: on the other an answer
 * may still be due. */
static kw_status cancel(const char *dir, uint64_t id, answer *a, kw_error *err)
{
    char words[40];
    int node;
    KW_TRY(kw_owner_connect(dir, &node, err));
    snprintf(words, sizeof(words), "unpull %ju", (uintmax_t)id);
    kw_status status = ask(node, words, a, err);
    snprintf(words, sizeof(words), "pulled %ju", (uintmax_t)id);
    for (int i = 0; i < 20 && status == KW_OK && !a->over; i++) {
        kw_owner_pause(ASK_MS / 2);
        status = ask(node, words, a, err);
    }
    kw_owner_disconnect(node);
    if (status == KW_OK && a->over && a->code == KW_OK)
        return KW_OK; /* it was faster */
    return kw_fail(err, KW_E_CANCELLED, "fetch: interrupted");
}

static kw_status wait(int node, const kw_node_pull *pull, answer *a, kw_error *err)
{
    const uint64_t id = a->id;
    char words[40];
    snprintf(words, sizeof(words), "pulled %ju", (uintmax_t)id);
    for (;;) {
        const kw_status status = ask(node, words, a, err);
        if (status != KW_OK && status != KW_E_CANCELLED)
            return status;
        if (a->over)
            return KW_OK;
        a->progress.shares = a->shares;
        if (status != KW_OK || !pull->progress(pull->user, pull->file, &a->progress))
            return cancel(pull->dir, id, a, err);
        kw_owner_pause(ASK_MS);
    }
}

kw_status kw_node_pull_run(const kw_node_pull *pull, kw_buf *path, kw_fetch_result *result,
                           bool *there, kw_error *err)
{
    kw_buf request = {0};
    answer a = {0};
    int node;
    KW_TRY(kw_owner_connect(pull->dir, &node, err));
    put_request(pull, &request);
    kw_status status = kw_buf_status(&request, err);
    if (status == KW_OK)
        status = ask(node, request.data, &a, err);
    if (status == KW_OK)
        status = wait(node, pull, &a, err);
    if (status == KW_OK)
        status = take_end(&a, path, result, there, err);
    kw_arena_free(&a.arena);
    kw_buf_free(&request);
    kw_owner_disconnect(node);
    return status;
}
