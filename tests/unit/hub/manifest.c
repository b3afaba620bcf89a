/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* manifest.c - a manifest is read as it was written, in one form only; what a signer could be made
 * to sign, or a sender to send, against the rules is refused. */
#include "hub/manifest.h"

#include "hub_test.h"

#include "base/check.h"
#include "base/sha256.h"

static kw_manifest_file file(const char *name, uint8_t fill)
{
    kw_manifest_file out = {.name = name, .size = fill, .sized = true, .rooted = true};
    memset(out.sha256, fill, sizeof out.sha256);
    out.root = kw_cid_of(KW_CODEC_RAW, (kw_bytes){&fill, 1}, kw_sha256_kernel(false));
    return out;
}

static void write(const kw_manifest *m, kw_buf *out)
{
    kw_error err = {0};
    if (kw_manifest_put(m, out, &err) != KW_OK)
        fail_msg("%s", err.message);
}

static void round_trip(void **state)
{
    (void)state;
    kw_manifest_file files[] = {file("config.json", 1), file("model \"q\".gguf", 2),
                                file("sub/x", 3)};
    files[2].sized = files[2].rooted = false;
    const kw_manifest m = {.model = "org/name", .files = files, .n_files = KW_COUNT(files)};
    kw_buf text = {0}, again = {0};
    kw_manifest read;
    write(&m, &text);
    assert_int_equal(kw_manifest_get((kw_str){text.data, text.len}, &read, NULL), KW_OK);
    assert_string_equal(read.model, "org/name");
    assert_int_equal(read.n_files, 3);
    for (size_t i = 0; i < 3; i++) {
        const kw_manifest_file *const f = kw_manifest_find(&read, files[i].name);
        assert_ptr_equal(f, &read.files[i]);
        assert_memory_equal(f->sha256, files[i].sha256, 32);
        assert_int_equal(f->rooted, files[i].rooted);
        assert_true(!f->rooted || kw_cid_equal(&f->root, &files[i].root));
        assert_true(!f->sized || f->size == files[i].size);
    }
    assert_null(kw_manifest_find(&read, "model"));
    write(&read, &again);
    assert_string_equal(text.data, again.data);
    kw_manifest_free(&read);
    for (size_t len = 0; len + 1 < text.len; len++)
        assert_int_not_equal(kw_manifest_get((kw_str){text.data, len}, &read, NULL), KW_OK);
    kw_buf_free(&text);
    kw_buf_free(&again);
}

static void names(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "a/b/c", "...", "a..b", "\xc3\xa9.gguf", "-", " "};
    static const char *const bad[] = {"",     "/a",    "a/",   "a//b", "..",   "../a",
                                      "a/..", "a/./b", "a\\b", "a\nb", "\xff", "a\x7f"};
    for (size_t i = 0; i < KW_COUNT(good); i++)
        assert_true(kw_manifest_name_ok(kw_str_from(good[i])));
    for (size_t i = 0; i < KW_COUNT(bad); i++) {
        assert_false(kw_manifest_name_ok(kw_str_from(bad[i])));
        kw_manifest_file f = file(bad[i], 1);
        const kw_manifest m = {.model = "a/b", .files = &f, .n_files = 1};
        kw_buf text = {0};
        assert_int_equal(kw_manifest_put(&m, &text, NULL), KW_E_ARG);
        kw_buf_free(&text);
    }
}

/* A manifest with one piece of its text replaced. */
static kw_status replaced(const char *piece, const char *by)
{
    kw_manifest_file files[] = {file("a.json", 1), file("b.gguf", 2)};
    const kw_manifest m = {.model = "org/name", .files = files, .n_files = 2};
    kw_buf text = {0}, changed = {0};
    kw_manifest read;
    write(&m, &text);
    const char *const at = strstr(text.data, piece);
    assert_non_null(at);
    kw_buf_add(&changed, text.data, (size_t)(at - text.data));
    kw_buf_printf(&changed, "%s%s", by, at + strlen(piece));
    const kw_status status = kw_manifest_get((kw_str){changed.data, changed.len}, &read, NULL);
    if (status == KW_OK)
        kw_manifest_free(&read);
    kw_buf_free(&text);
    kw_buf_free(&changed);
    return status;
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *piece, *by;
        kw_status want;
    } cases[] = {
        {"\"size\":1", "\"size\":1,\"more\":{\"x\":[1]}", KW_OK},
        {"\"a.json\"", "\"\\u0061.json\"", KW_OK},
        {"\"a.json\"", "\"b.gguf\"", KW_E_FORMAT},
        {"\"a.json\"", "\"c\"", KW_E_FORMAT},
        {"\"a.json\"", "\"../a\"", KW_E_FORMAT},
        {"\"a.json\"", "\"a\\u0000\"", KW_E_FORMAT},
        {"\"a.json\"", "7", KW_E_FORMAT},
        {"\"size\":1", "\"size\":-1", KW_E_FORMAT},
        {"\"size\":1", "\"size\":1,\"size\":2", KW_E_FORMAT},
        {"\"digest\":\"01", "\"digest\":\"02", KW_E_FORMAT},
        {"\"digest\":\"01", "\"digest\":\"0", KW_E_FORMAT},
        {"\"digest\":\"01", "\"digest\":\"0G", KW_E_FORMAT},
        {"\"algorithm\":\"sha256\"", "\"algorithm\":\"sha512\"", KW_E_UNSUPPORTED},
        {"\"algorithm\":\"sha256\",", "", KW_E_FORMAT},
        {"bafkrei", "Qm", KW_E_FORMAT},
        {"Statement/v1", "Statement/v0", KW_E_UNSUPPORTED},
        {"signature/v1.0", "signature/v2.0", KW_E_UNSUPPORTED},
        {"org/name", "org/../name", KW_E_FORMAT},
        {"\"subject\":[{", "\"subject\":[{},{", KW_E_FORMAT},
        {"\"resources\":", "\"resourceS\":", KW_E_FORMAT},
        {"\"predicate\":{", "\"predicate\":{\"resources\":[],", KW_E_FORMAT},
        {"\"predicate\":{", "\"predicate\":7,\"x\":{", KW_E_FORMAT},
    };
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        const kw_status status = replaced(cases[i].piece, cases[i].by);
        if (status != cases[i].want)
            fail_msg("%s -> %s: %s", cases[i].piece, cases[i].by, kw_status_name(status));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(names),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
