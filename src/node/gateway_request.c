/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gateway_request.c - reading what a gateway is asked for, and following a path. */
#include "node/gateway_request.h"

#include "base/check.h"
#include "wire/unixfs.h"

static unsigned refuse(unsigned status, const char *text, const char **why)
{
    *why = text;
    return status;
}

static kw_str trim(kw_str s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Cuts what stands before the next `end` off the front of *text. */
static kw_str cut(kw_str *text, char end)
{
    size_t n = 0;
    while (n < text->len && text->data[n] != end)
        n++;
    const kw_str part = {text->data, n};
    n = KW_MIN(n + 1, text->len);
    text->data += n;
    text->len -= n;
    return part;
}

/* ---- formats ---- */

/* Whether a type in a list is one that we have: version 1 is the CAR that is written. */
static bool is_type(kw_str item, bool *car)
{
    const kw_str type = trim(cut(&item, ';'));
    *car = kw_str_is(type, "application/vnd.ipld.car");
    if (!*car)
        return kw_str_is(type, "application/vnd.ipld.raw");
    while (item.len > 0) {
        kw_str value = trim(cut(&item, ';'));
        const kw_str key = cut(&value, '=');
        if (kw_str_is(key, "version") && !kw_str_is(value, "1"))
            return false;
    }
    return true;
}

/* The format that is asked for by name, else by the types that are accepted. */
static bool choose_format(kw_str format, kw_str accept, bool *car)
{
    if (format.len > 0) {
        *car = kw_str_is(format, "car");
        return *car || kw_str_is(format, "raw");
    }
    while (accept.len > 0)
        if (is_type(cut(&accept, ','), car))
            return true;
    return false;
}

/* ---- parts ---- */

/* Up to 18 digits, perhaps behind a minus. */
static bool read_number(kw_str text, int64_t *out)
{
    const bool negative = text.len > 0 && text.data[0] == '-';
    int64_t value = 0;
    const size_t begin = negative ? 1 : 0;
    if (text.len == begin || text.len > begin + 18)
        return false;
    for (size_t i = begin; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (text.data[i] - '0');
    }
    *out = negative ? -value : value;
    return true;
}

static bool read_range(kw_str text, kw_car_part *part)
{
    const kw_str from = cut(&text, ':');
    part->to = -1;
    if (!read_number(from, &part->from))
        return false;
    if (!kw_str_is(text, "*") && !read_number(text, &part->to))
        return false;
    const bool same_sign = (part->from < 0) == (part->to < 0);
    return !same_sign || part->from <= part->to;
}

static bool read_scope(kw_str text, kw_car_scope *out)
{
    *out = kw_str_is(text, "block")    ? KW_CAR_BLOCK
           : kw_str_is(text, "entity") ? KW_CAR_ENTITY
                                       : KW_CAR_ALL;
    return *out != KW_CAR_ALL || text.len == 0 || kw_str_is(text, "all");
}

unsigned kw_gateway_request_get(const kw_gateway_fields *fields, kw_gateway_request *out,
                                const char **why)
{
    kw_str path = fields->path;
    kw_gateway_request r = {.part = {.n_path = 1, .from = 0, .to = -1}};
    if (!kw_str_starts(path, KW_STR("/ipfs/")))
        return refuse(404, "what is here is below /ipfs/\n", why);
    path.data += 6;
    path.len -= 6;
    if (kw_cid_parse(cut(&path, '/'), &r.part.path[0], NULL) != KW_OK)
        return refuse(400, "what follows /ipfs/ is not a CID\n", why);
    r.names = path;
    if (!choose_format(fields->format, fields->accept, &r.car))
        return refuse(406, "formats are raw and car (version 1): ?format= or Accept\n", why);
    if (!read_scope(fields->dag_scope, &r.part.scope))
        return refuse(400, "dag-scope is block, entity or all\n", why);
    if (fields->entity_bytes.len > 0) {
        if (!read_range(fields->entity_bytes, &r.part))
            return refuse(400, "entity-bytes is FROM:TO or FROM:*\n", why);
        if (fields->dag_scope.len == 0)
            r.part.scope = KW_CAR_ENTITY;
    }
    *out = r;
    return 200;
}

/* ---- paths ---- */

static int hex_digit(char c)
{
    const char l = (char)(c | 0x20);
    return c >= '0' && c <= '9' ? c - '0' : l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

static bool decode(kw_str text, char out[KW_GATEWAY_NAME_MAX], size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (*len == KW_GATEWAY_NAME_MAX)
            return false;
        if (c == '%') {
            if (text.len - i < 3)
                return false;
            const int high = hex_digit(text.data[i + 1]), low = hex_digit(text.data[i + 2]);
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        out[(*len)++] = c;
    }
    return true;
}

/* The entry of a directory, by its block. */
static bool find_entry(kw_bytes block, kw_str name, kw_cid *out)
{
    kw_unixfs_node node;
    kw_unixfs_child child;
    if (kw_unixfs_read(block, &node, NULL) != KW_OK || node.type != KW_UNIXFS_DIRECTORY)
        return false;
    kw_unixfs_walk walk = kw_unixfs_children(&node);
    while (kw_unixfs_next(&walk, &child)) {
        if (!kw_str_eq(child.link.name, name))
            continue;
        *out = child.link.cid;
        return true;
    }
    return false;
}

static bool step(const kw_block_store *store, const kw_cid *directory, kw_str name, kw_cid *out)
{
    kw_block block;
    if (directory->codec != KW_CODEC_DAG_PB ||
        store->get(store->user, directory, &block, NULL) != KW_OK)
        return false;
    const bool found = find_entry(block.data, name, out);
    store->release(store->user, &block);
    return found;
}

unsigned kw_gateway_request_follow(kw_gateway_request *request, const kw_block_store *store,
                                   const char **why)
{
    kw_car_part *const part = &request->part;
    kw_str left = request->names;
    while (left.len > 0) {
        char name[KW_GATEWAY_NAME_MAX];
        size_t len;
        const kw_str text = cut(&left, '/');
        if (text.len == 0)
            continue;
        if (!decode(text, name, &len))
            return refuse(400, "a name in the path is too long, or badly encoded\n", why);
        if (part->n_path == KW_CAR_PATH_MAX)
            return refuse(400, "the path has too many names\n", why);
        if (!step(store, &part->path[part->n_path - 1], (kw_str){name, len},
                  &part->path[part->n_path]))
            return refuse(404, "no such name in what is here\n", why);
        part->n_path++;
    }
    return 200;
}
