/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* protobuf.h - protocol buffers on the wire: a reader without recursion and a writer into a kw_buf.
 *
 * A message is read field by field in a loop; a nested message is a field of bytes that gets a
 * reader of its own. Unknown fields are skipped by ignoring them. */
#ifndef KW_BASE_PROTOBUF_H
#define KW_BASE_PROTOBUF_H

#include "base/buf.h"
#include "base/str.h"

enum { KW_PB_VARINT = 0, KW_PB_FIXED64 = 1, KW_PB_BYTES = 2, KW_PB_FIXED32 = 5 };

typedef struct kw_pb_field {
    uint32_t number;
    uint8_t type;   /* KW_PB_... */
    uint64_t value; /* varint, fixed64, fixed32 */
    kw_bytes bytes; /* KW_PB_BYTES: a view into the message */
} kw_pb_field;

typedef struct kw_pb {
    kw_bytes left;
    bool bad; /* the message broke a rule: groups, field 0, a length past the end */
} kw_pb;

static inline kw_pb kw_pb_read(kw_bytes message)
{
    return (kw_pb){.left = message};
}
/* The next field, or false at the end and at the first broken rule (look at bad after the loop). */
bool kw_pb_next(kw_pb *message, kw_pb_field *out);
/* A number for a field that must be a varint: false marks the message bad. */
bool kw_pb_u64(kw_pb *message, const kw_pb_field *field, uint64_t *out);
bool kw_pb_bytes(kw_pb *message, const kw_pb_field *field, kw_bytes *out);

void kw_pb_put_u64(kw_buf *out, uint32_t number, uint64_t value);
void kw_pb_put_bytes(kw_buf *out, uint32_t number, kw_bytes bytes);
void kw_pb_put_text(kw_buf *out, uint32_t number, kw_str text);
void kw_pb_put_fixed64(kw_buf *out, uint32_t number, uint64_t value);
/* A nested message: what was added since begin becomes field `number`. begin returns what end
 * wants. */
size_t kw_pb_begin(const kw_buf *out);
void kw_pb_end(kw_buf *out, uint32_t number, size_t begin);

#endif
