/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_hub_name.c - any bytes as the name of a model: the parts of one that is read are texts that
 * cannot leave a directory. */
#include "hub/name.h"

#include <stdlib.h>
#include <string.h>

#include "hub/stores.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_name name;
    if (kw_name_parse((kw_str){(const char *)data, size}, &name, NULL) != KW_OK)
        return 0;
    if (name.kind == KW_NAME_MODEL) {
        require(kw_model_name_ok(kw_str_from(name.model)));
        require(!strstr(name.version, "..") && !strstr(name.file, ".."));
        require(strlen(name.model) + strlen(name.version) + strlen(name.file) <= size);
    }
    return 0;
}
