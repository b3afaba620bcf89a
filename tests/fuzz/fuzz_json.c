/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_json.c - the JSON parser on any bytes.
 *
 * Whatever the input: positions only grow, tokens are views into the text, a failure repeats
 * itself, skipping the top value ends where reading it does, decoded strings are UTF-8, and a
 * number is what strtod makes of it. */
#include "base/json.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_string(const kw_json *json, const kw_json_token *token, kw_arena *arena)
{
    kw_str out;
    require(kw_json_string(json, token, arena, &out, NULL) == KW_OK);
    require(out.len <= token->text.len && kw_utf8_valid(out.data, out.len));
    require(token->escaped || out.data == token->text.data);
}

static void check_number(const kw_json *json, const kw_json_token *token, kw_arena *arena)
{
    const char *text = kw_arena_strdup(arena, token->text);
    require(text != NULL);
    const double want = strtod(text, NULL);
    double real = 0.0;
    if (kw_json_f64(json, token, &real, NULL) == KW_OK)
        require(memcmp(&real, &want, sizeof(real)) == 0);
    else
        require(isinf(want));
    int64_t s = 0;
    uint64_t u = 0;
    const bool is_s = kw_json_i64(json, token, &s, NULL) == KW_OK;
    const bool is_u = kw_json_u64(json, token, &u, NULL) == KW_OK;
    require(!is_s || (double)s == want);
    require(!is_u || (double)u == want);
    require(!is_s || s < 0 || (is_u && (uint64_t)s == u));
}

/* Reads everything; returns the status, and where it ended. */
static kw_status read_all(kw_str text, size_t *end)
{
    kw_json json;
    kw_json_token token = {.kind = KW_JSON_END};
    kw_error err;
    kw_arena arena = {0};
    kw_json_init(&json, text, "fuzz");
    kw_status status;
    for (;;) {
        const size_t before = json.pos;
        status = kw_json_next(&json, &token, &err);
        require(json.pos >= before && json.pos <= text.len && json.depth <= KW_JSON_MAX_DEPTH);
        if (status != KW_OK || token.kind == KW_JSON_END)
            break;
        require(json.pos > before);
        if (token.kind == KW_JSON_KEY || token.kind == KW_JSON_STRING)
            check_string(&json, &token, &arena);
        if (token.kind == KW_JSON_NUMBER)
            check_number(&json, &token, &arena);
    }
    kw_error again;
    require(kw_json_next(&json, &token, &again) == status);
    require(status == KW_OK || strcmp(err.message, again.message) == 0);
    kw_arena_free(&arena);
    *end = json.pos;
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const kw_str text = {(const char *)data, size};
    size_t end;
    const kw_status status = read_all(text, &end);

    kw_json json;
    kw_json_token token;
    kw_json_init(&json, text, "fuzz");
    kw_status skipped = kw_json_next(&json, &token, NULL);
    if (skipped == KW_OK)
        skipped = kw_json_skip(&json, &token, NULL);
    if (skipped == KW_OK)
        skipped = kw_json_expect(&json, KW_JSON_END, &token, NULL);
    require(skipped == status && json.pos == end);
    return 0;
}
