/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_hub_reference.c - any text is refused, or is a reference of which nothing leaves the store.
 */
#include "hub/reference.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether it is a path that stays below the directory it is put into. */
static bool stays_below(const char *path)
{
    return path[0] != '/' && path[0] != '.' && !strstr(path, "/.") && !strstr(path, "//") &&
           !strchr(path, '\\') && !strpbrk(path, "\r\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_reference ref;
    if (kw_reference_parse((kw_str){(const char *)data, size}, &ref, NULL) != KW_OK)
        return 0;
    promise(ref.model[0] && stays_below(ref.model) && stays_below(ref.file) &&
            stays_below(ref.revision) && stays_below(ref.repo));
    promise(kw_name_is_safe(kw_str_from(ref.model)));
    promise((ref.kind == KW_REF_URL) == (ref.url[0] != 0));
    kw_buf escaped = {0};
    kw_url_escape(&escaped, kw_str_from(ref.file));
    promise(escaped.failed || escaped.len >= strlen(ref.file));
    kw_buf_free(&escaped);
    return 0;
}
