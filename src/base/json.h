/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* json.h - a pull parser for JSON of any size: no tree, no allocation per node.
 *
 * Tokens are views into the caller's text, which outlives them. Strict RFC 8259: UTF-8 is validated
 * in strings, one value, nothing after it but white space, nesting at most KW_JSON_MAX_DEPTH.
 * Duplicate keys are the caller's business (safetensors refuses them). */
#ifndef KW_BASE_JSON_H
#define KW_BASE_JSON_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define KW_JSON_MAX_DEPTH 128

typedef enum kw_json_kind {
    KW_JSON_END, /* the whole text was one valid value */
    KW_JSON_OBJECT,
    KW_JSON_OBJECT_END,
    KW_JSON_ARRAY,
    KW_JSON_ARRAY_END,
    KW_JSON_KEY, /* its value follows */
    KW_JSON_STRING,
    KW_JSON_NUMBER,
    KW_JSON_TRUE,
    KW_JSON_FALSE,
    KW_JSON_NULL
} kw_json_kind;

typedef struct kw_json_token {
    kw_json_kind kind;
    kw_str text;  /* key, string: the bytes between the quotes; number: its digits; else empty */
    bool escaped; /* key, string: text holds backslashes; kw_json_string decodes it */
} kw_json_token;

typedef struct kw_json {
    kw_str text;
    const char *subject; /* names the input in errors: a file name */
    size_t pos;
    uint8_t state; /* what may come next */
    uint16_t depth;
    uint8_t stack[KW_JSON_MAX_DEPTH]; /* '{' or '[' */
} kw_json;

/* text and subject are borrowed for the life of the parser. */
void kw_json_init(kw_json *json, kw_str text, const char *subject);
/* The next token. After KW_JSON_END it keeps answering KW_JSON_END. */
kw_status kw_json_next(kw_json *json, kw_json_token *out, kw_error *err);
/* As kw_json_next, and fails when the token is not of this kind. */
kw_status kw_json_expect(kw_json *json, kw_json_kind kind, kw_json_token *out, kw_error *err);
/* Skips the rest of the value that `first` opened (nothing for scalars); for a key, its value. */
kw_status kw_json_skip(kw_json *json, const kw_json_token *first, kw_error *err);

/* The decoded bytes of a key or string: the view itself when nothing is escaped, else a copy in the
 * arena. Lone surrogates become U+FFFD. */
kw_status kw_json_string(const kw_json *json, const kw_json_token *token, kw_arena *arena,
                         kw_str *out, kw_error *err);
/* Numbers, refused with KW_E_FORMAT when out of range or, integers, not whole. 1.0 and 1e3 are
 * whole; written so, a number must be below 2^53. Reals are correctly rounded, whatever the locale.
 */
kw_status kw_json_i64(const kw_json *json, const kw_json_token *token, int64_t *out, kw_error *err);
kw_status kw_json_u64(const kw_json *json, const kw_json_token *token, uint64_t *out,
                      kw_error *err);
kw_status kw_json_f64(const kw_json *json, const kw_json_token *token, double *out, kw_error *err);

#endif
