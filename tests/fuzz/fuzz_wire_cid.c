/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_wire_cid.c - any bytes and any text are a CID, a peer id, or refused; what is taken comes
 * back in both forms. */
#include "promise.h"
#include "wire/cid.h"
#include "wire/peer_id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void touch_cid(const kw_cid *cid)
{
    uint8_t binary[KW_CID_MAX];
    char text[KW_CID_TEXT_MAX];
    kw_cid again;
    const size_t n = kw_cid_put(cid, binary);
    promise(n <= KW_CID_MAX && kw_cid_get((kw_bytes){binary, n}, &again, NULL, NULL) == KW_OK);
    promise(memcmp(cid, &again, sizeof(again)) == 0);
    kw_cid_text(cid, text);
    promise(kw_cid_parse(kw_str_from(text), &again, NULL) == KW_OK);
    promise(kw_cid_equal(cid, &again));
    (void)kw_cid_verify(cid, (kw_bytes){binary, n}, NULL);
}

static void touch_peer(const kw_peer_id *id)
{
    char text[KW_PEER_ID_TEXT_MAX];
    kw_peer_id again;
    kw_peer_id_text(id, text);
    promise(kw_peer_id_parse(kw_str_from(text), &again, NULL) == KW_OK);
    promise(kw_peer_id_equal(id, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const kw_bytes bytes = {data, size};
    const kw_str text = {(const char *)data, size};
    kw_cid cid;
    kw_peer_id id;
    kw_error err = {0};
    size_t used;
    const kw_status status = kw_cid_get(bytes, &cid, &used, &err);
    promise(status == KW_OK || (err.code == status && err.message[0]));
    if (status == KW_OK) {
        promise(used <= size);
        touch_cid(&cid);
    }
    if (kw_cid_parse(text, &cid, NULL) == KW_OK)
        touch_cid(&cid);
    if (kw_peer_id_get(bytes, &id, NULL) == KW_OK)
        touch_peer(&id);
    if (kw_peer_id_parse(text, &id, NULL) == KW_OK)
        touch_peer(&id);
    return 0;
}
