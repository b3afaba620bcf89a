/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* car.c - CARv1: varint length and dag-cbor {roots: [CID], version: 1}; then varint length, CID,
 * block, and so on. Of CBOR only what that header needs is read. */
#include "wire/car.h"

#include "base/check.h"
#include "base/uvarint.h"
#include "wire/blocks.h"

#define HEADER_MAX 4096

enum { CBOR_UINT = 0, CBOR_BYTES = 2, CBOR_TEXT = 3, CBOR_ARRAY = 4, CBOR_MAP = 5, CBOR_TAG = 6 };
enum { TAG_CID = 42 };

/* ---- reading ---- */

/* A length of at most max in front of what it counts; *whole empty with KW_OK: more is needed. */
static kw_status take_counted(kw_bytes in, size_t max, const char *what, kw_bytes *whole,
                              kw_error *err)
{
    uint64_t len;
    size_t used;
    *whole = (kw_bytes){0};
    switch (kw_uvarint_get(in, 9, true, &len, &used)) {
    case KW_UVARINT_MORE:
        return KW_OK;
    case KW_UVARINT_BAD:
        return kw_fail(err, KW_E_FORMAT, "CAR: the length of %s is no varint", what);
    default:
        break;
    }
    if (len == 0)
        return kw_fail(err, KW_E_FORMAT, "CAR: %s of no bytes", what);
    if (len > max)
        return kw_fail(err, KW_E_LIMIT, "CAR: %s of %llu bytes; at most %zu are read", what,
                       (unsigned long long)len, max);
    if (len <= in.len - used)
        *whole = (kw_bytes){in.data + used, (size_t)len};
    return KW_OK;
}

/* The head of a CBOR item: its major type and number. */
static bool take_head(kw_bytes *in, unsigned *major, uint64_t *value)
{
    if (in->len == 0)
        return false;
    const unsigned low = in->data[0] & 31;
    const size_t n_more = low < 24 ? 0 : (size_t)1 << ((low - 24) & 3);
    if (low > 27) /* of no definite length */
        return false;
    if (n_more > in->len - 1)
        return false;
    *major = in->data[0] >> 5;
    *value = n_more == 0 ? low : 0;
    for (size_t i = 0; i < n_more; i++)
        *value = *value << 8 | in->data[1 + i];
    in->data += 1 + n_more;
    in->len -= 1 + n_more;
    return true;
}

static bool take_string(kw_bytes *in, unsigned wanted, kw_bytes *out)
{
    unsigned major;
    uint64_t len;
    if (!take_head(in, &major, &len) || major != wanted || len > in->len)
        return false;
    *out = (kw_bytes){in->data, (size_t)len};
    in->data += len;
    in->len -= (size_t)len;
    return true;
}

static kw_status read_roots(kw_bytes *in, kw_car_header *out, kw_error *err)
{
    unsigned major;
    uint64_t n, tag;
    if (!take_head(in, &major, &n) || major != CBOR_ARRAY)
        return kw_fail(err, KW_E_FORMAT, "CAR: its roots are no list");
    if (n > KW_CAR_ROOTS_MAX)
        return kw_fail(err, KW_E_LIMIT, "CAR: %llu roots; at most %d are read",
                       (unsigned long long)n, KW_CAR_ROOTS_MAX);
    for (out->n_roots = 0; out->n_roots < n; out->n_roots++) {
        kw_bytes bytes;
        if (!take_head(in, &major, &tag) || major != CBOR_TAG || tag != TAG_CID ||
            !take_string(in, CBOR_BYTES, &bytes) || bytes.len < 1 || bytes.data[0] != 0)
            return kw_fail(err, KW_E_FORMAT, "CAR: root %zu is no CID", out->n_roots);
        KW_TRY(kw_cid_get((kw_bytes){bytes.data + 1, bytes.len - 1}, &out->roots[out->n_roots],
                          NULL, err));
    }
    return KW_OK;
}

kw_status kw_car_read_header(kw_bytes in, kw_car_header *out, size_t *used, kw_error *err)
{
    kw_car_header header = {0};
    kw_bytes left, key;
    unsigned major;
    uint64_t n, version = 0;
    bool has_roots = false;
    *used = 0;
    KW_TRY(take_counted(in, HEADER_MAX, "a header", &left, err));
    if (left.len == 0)
        return KW_OK;
    const size_t end = (size_t)(left.data - in.data) + left.len;
    if (!take_head(&left, &major, &n) || major != CBOR_MAP || n > 2)
        return kw_fail(err, KW_E_FORMAT, "CAR: its header is no map of two");
    for (uint64_t i = 0; i < n; i++) {
        if (!take_string(&left, CBOR_TEXT, &key))
            return kw_fail(err, KW_E_FORMAT, "CAR: a key of its header is no text");
        const kw_str name = {(const char *)key.data, key.len};
        if (kw_str_is(name, "roots") && !has_roots) {
            KW_TRY(read_roots(&left, &header, err));
            has_roots = true;
        } else if (!kw_str_is(name, "version") || !take_head(&left, &major, &version) ||
                   major != CBOR_UINT) {
            return kw_fail(err, KW_E_FORMAT, "CAR: key \"%.*s\" of its header", KW_FMT(name));
        }
    }
    if (version == 2)
        return kw_fail(err, KW_E_UNSUPPORTED, "CAR: version 2; version 1 is read");
    if (version != 1 || !has_roots || left.len > 0)
        return kw_fail(err, KW_E_FORMAT, "CAR: its header has no roots and version 1");
    *out = header;
    *used = end;
    return KW_OK;
}

kw_status kw_car_read_block(kw_bytes in, kw_cid *cid, kw_bytes *block, size_t *used, kw_error *err)
{
    kw_bytes whole;
    size_t n;
    *used = 0;
    KW_TRY(take_counted(in, KW_BLOCK_MAX + KW_CID_MAX, "a block", &whole, err));
    if (whole.len == 0)
        return KW_OK;
    KW_TRY(kw_cid_get(whole, cid, &n, err));
    *block = (kw_bytes){whole.data + n, whole.len - n};
    *used = (size_t)(whole.data - in.data) + whole.len;
    return KW_OK;
}

/* ---- writing ---- */

static void put_head(kw_buf *out, unsigned major, size_t value)
{
    const char small = (char)(major << 5 | value);
    const char large[2] = {(char)(major << 5 | 24), (char)value};
    kw_assert(value < 256);
    if (value < 24)
        kw_buf_add(out, &small, 1);
    else
        kw_buf_add(out, large, 2);
}

static void put_text(kw_buf *out, kw_str text)
{
    put_head(out, CBOR_TEXT, text.len);
    kw_buf_add(out, text.data, text.len);
}

void kw_car_put_header(kw_buf *out, const kw_cid *roots, size_t n_roots)
{
    kw_buf header = {0};
    uint8_t bytes[1 + KW_CID_MAX] = {0}, length[KW_UVARINT_MAX];
    kw_assert(n_roots <= KW_CAR_ROOTS_MAX);
    put_head(&header, CBOR_MAP, 2);
    put_text(&header, KW_STR("roots"));
    put_head(&header, CBOR_ARRAY, n_roots);
    for (size_t i = 0; i < n_roots; i++) {
        const size_t n = 1 + kw_cid_put(&roots[i], bytes + 1);
        put_head(&header, CBOR_TAG, TAG_CID);
        put_head(&header, CBOR_BYTES, n);
        kw_buf_add(&header, (const char *)bytes, n);
    }
    put_text(&header, KW_STR("version"));
    put_head(&header, CBOR_UINT, 1);
    const size_t n = kw_uvarint_put(length, header.len);
    kw_buf_add(out, (const char *)length, n);
    kw_buf_add(out, header.data, header.len);
    out->failed = out->failed || header.failed;
    kw_buf_free(&header);
}

size_t kw_car_prefix(const kw_cid *cid, size_t block_len, uint8_t out[KW_CAR_PREFIX_MAX])
{
    uint8_t name[KW_CID_MAX];
    const size_t n_name = kw_cid_put(cid, name), n = kw_uvarint_put(out, n_name + block_len);
    memcpy(out + n, name, n_name);
    return n + n_name;
}
