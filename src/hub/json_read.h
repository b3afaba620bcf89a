/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* json_read.h - the answers of web interfaces: members of objects, one after the other, their texts
 * in an arena. Whoever reads skips what it does not know. */
#ifndef KW_HUB_JSON_READ_H
#define KW_HUB_JSON_READ_H

#include "base/json.h"

typedef struct kw_json_read {
    kw_json json;
    kw_arena arena; /* of texts; freed by whoever began */
} kw_json_read;

/* json and subject are borrowed; texts take at most 64 MiB. */
kw_json_read kw_json_read_begin(kw_str json, const char *subject);
kw_status kw_json_read_text(kw_json_read *r, kw_str *out, kw_error *err);
kw_status kw_json_read_number(kw_json_read *r, uint64_t *out, kw_error *err);
kw_status kw_json_read_object(kw_json_read *r, kw_error *err);
/* The next key of the object that is open; *more is false at its end. */
kw_status kw_json_read_key(kw_json_read *r, kw_str *key, bool *more, kw_error *err);
kw_status kw_json_read_skip(kw_json_read *r, kw_error *err);

#endif
