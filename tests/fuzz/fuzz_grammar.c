/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_grammar.c - any bytes as a grammar, or as a JSON Schema when they start with '{': it
 * compiles or fails with a message, and a matcher of it follows bytes, whole and one by one, alike.
 */
#include "promise.h"
#include "text/grammar.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Steps by whatever fits; the same bytes at once lead to the same place. */
static void follow(const kw_grammar *g, kw_str text)
{
    kw_matcher *m;
    kw_buf taken = {0};
    bool fits;
    if (kw_matcher_create(g, NULL, &m, NULL) != KW_OK)
        return;
    for (size_t i = 0; i < text.len && i < 200; i++) {
        if (kw_matcher_push(m, (kw_str){text.data + i, 1}, &fits, NULL) != KW_OK)
            goto done;
        if (fits)
            kw_buf_add(&taken, text.data + i, 1);
    }
    const bool ends = kw_matcher_accepts(m), complete = kw_matcher_complete(m);
    kw_matcher_reset(m);
    if (kw_matcher_push(m, (kw_str){taken.data, taken.len}, &fits, NULL) == KW_OK)
        promise(fits && kw_matcher_accepts(m) == ends && kw_matcher_complete(m) == complete);
done:
    kw_buf_free(&taken);
    kw_matcher_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_str text = {(const char *)data, size};
    kw_buf schema = {0};
    kw_grammar *g;
    kw_error err = {.message = ""};
    if (size > 0 && data[0] == '{') {
        if (kw_schema_to_grammar(text, "fuzz", &schema, &err) != KW_OK) {
            promise(err.message[0] != '\0');
            kw_buf_free(&schema);
            return 0;
        }
        text = (kw_str){schema.data, schema.len};
    }
    const kw_status status = kw_grammar_parse(text, "fuzz", &g, &err);
    /* what a schema became is a grammar, unless it is too large or a circle of references */
    promise(status == KW_OK || (err.message[0] != '\0' && (!schema.data || status != KW_E_FORMAT)));
    if (status == KW_OK) {
        follow(g, (kw_str){(const char *)data, size});
        follow(g, KW_STR("{\"a\": [1, \"b\\n\", -2.5e3, null], \"name\": true}"));
        kw_grammar_free(g);
    }
    kw_buf_free(&schema);
    return 0;
}
