/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* json_read.c - see json_read.h. */
#include "hub/json_read.h"

#define MEMORY_MAX ((size_t)64 << 20)

kw_json_read kw_json_read_begin(kw_str json, const char *subject)
{
    kw_json_read r = {.arena = {.limit_bytes = MEMORY_MAX}};
    kw_json_init(&r.json, json, subject);
    return r;
}

kw_status kw_json_read_text(kw_json_read *r, kw_str *out, kw_error *err)
{
    kw_json_token t;
    KW_TRY(kw_json_expect(&r->json, KW_JSON_STRING, &t, err));
    return kw_json_string(&r->json, &t, &r->arena, out, err);
}

kw_status kw_json_read_number(kw_json_read *r, uint64_t *out, kw_error *err)
{
    kw_json_token t;
    KW_TRY(kw_json_expect(&r->json, KW_JSON_NUMBER, &t, err));
    return kw_json_u64(&r->json, &t, out, err);
}

kw_status kw_json_read_object(kw_json_read *r, kw_error *err)
{
    kw_json_token t;
    return kw_json_expect(&r->json, KW_JSON_OBJECT, &t, err);
}

kw_status kw_json_read_key(kw_json_read *r, kw_str *key, bool *more, kw_error *err)
{
    kw_json_token t;
    KW_TRY(kw_json_next(&r->json, &t, err));
    *more = t.kind == KW_JSON_KEY;
    return *more ? kw_json_string(&r->json, &t, &r->arena, key, err) : KW_OK;
}

kw_status kw_json_read_skip(kw_json_read *r, kw_error *err)
{
    kw_json_token t;
    KW_TRY(kw_json_next(&r->json, &t, err));
    return kw_json_skip(&r->json, &t, err);
}
