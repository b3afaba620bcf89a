/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* name.c - reading names. */
#include "hub/name.h"

#include "hub/stores.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Whether text is a SHA-256, with its prefix or without. */
static bool read_digest(kw_str text, uint8_t out[32])
{
    static const char colon[] = "sha256:", dash[] = "sha256-";
    const size_t n = sizeof colon - 1;
    if (kw_str_starts(text, kw_str_from(colon)) || kw_str_starts(text, kw_str_from(dash)))
        text = (kw_str){text.data + n, text.len - n};
    if (text.len != 64)
        return false;
    for (size_t i = 0; i < 32; i++) {
        const int high = hex_digit(text.data[2 * i]), low = hex_digit(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* Whether text is a CID: one of the two kinds that name files. */
static bool read_cid(kw_str text, kw_cid *out)
{
    static const char ipfs[] = "/ipfs/";
    if (kw_str_starts(text, kw_str_from(ipfs)))
        text = (kw_str){text.data + sizeof ipfs - 1, text.len - (sizeof ipfs - 1)};
    return (kw_str_starts(text, KW_STR("baf")) || kw_str_starts(text, KW_STR("Qm"))) &&
           kw_cid_parse(text, out, NULL) == KW_OK && out->hash == KW_HASH_SHA2_256 &&
           out->digest_len == 32;
}

static kw_str before(kw_str text, char mark, kw_str *rest)
{
    const char *const at = text.len > 0 ? memchr(text.data, mark, text.len) : NULL;
    *rest = (kw_str){0};
    if (!at)
        return text;
    const size_t n = (size_t)(at - text.data);
    *rest = (kw_str){at + 1, text.len - n - 1};
    return (kw_str){text.data, n};
}

/* Copies one part. A mark with nothing behind it, a control character or ".." is no part. */
static bool copy_part(kw_str part, char out[KW_NAME_PART_MAX + 1])
{
    if (part.len == 0)
        return part.data == NULL;
    if (part.len > KW_NAME_PART_MAX)
        return false;
    for (size_t i = 0; i < part.len; i++)
        if ((unsigned char)part.data[i] < ' ' || part.data[i] == 0x7f)
            return false;
    memcpy(out, part.data, part.len);
    out[part.len] = '\0';
    return strstr(out, "..") == NULL;
}

kw_status kw_name_parse(kw_str text, kw_name *out, kw_error *err)
{
    kw_str file, version;
    *out = (kw_name){.kind = KW_NAME_MODEL};
    if (read_digest(text, out->sha256)) {
        out->kind = KW_NAME_DIGEST;
        return KW_OK;
    }
    if (read_cid(text, &out->cid)) {
        out->kind = KW_NAME_CID;
        return KW_OK;
    }
    const kw_str head = before(text, ':', &file), model = before(head, '@', &version);
    if (!kw_model_name_ok(model) || !copy_part(model, out->model) ||
        !copy_part(version, out->version) || !copy_part(file, out->file))
        return kw_fail(err, KW_E_ARG,
                       "\"%.*s\" is no name of a model: they are org/name, org/name:file, "
                       "org/name@version, sha256:HEX or a CID",
                       KW_FMT(text));
    return KW_OK;
}
