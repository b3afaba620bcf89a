/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_template.c - any bytes as a chat template over fixed messages: it renders to UTF-8, twice
 * the same, or fails with a message. Small limits keep a run short. */
#include "promise.h"
#include "text/template.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char variables[] =
    "{\"bos_token\":\"<s>\",\"eos_token\":\"</"
    "s>\",\"add_generation_prompt\":true,\"n\":3,\"f\":-2.5,"
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"w\",\"parameters\":{\"type\":"
    "\"object\","
    "\"properties\":{\"a\":{\"type\":\"string\"}}}}}],"
    "\"messages\":[{\"role\":\"system\",\"content\":\"S \xC3\xA9\"},{\"role\":\"user\",\"content\":"
    "\" a\\nb \"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"function\":{\"name\":"
    "\"w\",\"arguments\":{\"a\":\"<b>\"}}}]},{\"role\":\"user\",\"content\":[{\"type\":\"text\","
    "\"text\":\"x\"}]}]}";

static kw_status render(const kw_template *t, kw_buf *out)
{
    const kw_template_limits limits = {
        .steps = 100000, .memory_bytes = 8 << 20, .output_bytes = 1 << 20, .depth = 240};
    kw_error err = {.message = ""};
    const kw_status status =
        kw_template_render(t, KW_STR(variables), 1753967261, &limits, out, &err);
    promise(status == KW_OK || (out->len == 0 && err.message[0] != '\0'));
    promise(status != KW_E_INTERNAL);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_template *t;
    kw_error err = {.message = ""};
    kw_buf first = {0}, second = {0};
    if (kw_template_parse((kw_str){(const char *)data, size}, "fuzz", &t, &err) != KW_OK) {
        promise(err.message[0] != '\0');
        return 0;
    }
    promise(render(t, &first) == render(t, &second));
    promise(first.len == second.len && kw_utf8_valid(first.data ? first.data : "", first.len));
    promise(first.len == 0 || memcmp(first.data, second.data, first.len) == 0);
    kw_buf_free(&first);
    kw_buf_free(&second);
    kw_template_free(t);
    return 0;
}
