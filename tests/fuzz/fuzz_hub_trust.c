/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_hub_trust.c - any bytes as a trust file, and as a manifest with its signature: reading ends,
 * and nothing is accepted as signed that nobody signed. The input is cut at its first byte 1. */
#include "hub/trust.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_trust trust;
    kw_judgement found;
    const uint8_t *const cut = size > 0 ? memchr(data, 1, size) : NULL;
    const size_t head = cut ? (size_t)(cut - data) : size;
    const kw_str rest = {(const char *)data + head, size - head};
    if (kw_trust_get((kw_str){(const char *)data, head}, "trust.conf", &trust, NULL) != KW_OK)
        return 0;
    const kw_signed what = {"org/name", KW_STR("{}"), rest, 1};
    kw_trust_judge(&trust, &what, &found);
    require(found.reason != KW_TRUST_GOOD);
    require(found.policy != KW_POLICY_ENFORCE || !found.accepted);
    require(found.why[0] != '\0' && strlen(found.why) < sizeof found.why);
    kw_trust_free(&trust);
    return 0;
}
