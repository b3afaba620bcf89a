/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* name.c - what names mean: which are names at all, which files they find, what of these runs. */
#include "hub/name.h"

#include "hub_test.h"

#include "base/check.h"
#include "hub/stores.h"

#define HEX64 "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"

static void reading(void **state)
{
    (void)state;
    static const char *const good[][4] = {
        {"org/name", "org/name", "", ""},
        {"llama3", "llama3", "", ""},
        {"hf.co/org/name", "hf.co/org/name", "", ""},
        {"org/name:model-Q4.gguf", "org/name", "", "model-Q4.gguf"},
        {"org/name@main:sub/a.json", "org/name", "main", "sub/a.json"},
        {"o/n@v1", "o/n", "v1", ""},
    };
    static const char *const bad[] = {"",        "/",      "a/",     "/a",       "a//b",
                                      "a/b/c/d", "../x",   "a/..",   ".a",       "a/.b",
                                      "a b",     "o/n:",   "o/n@",   "o/n:../x", "o/n:a\nb",
                                      "a\x1b",   "o/n@:x", "\xff/a", "o/n:\x01"};
    kw_name name;
    for (size_t i = 0; i < KW_COUNT(good); i++) {
        assert_int_equal(kw_name_parse(kw_str_from(good[i][0]), &name, NULL), KW_OK);
        assert_int_equal(name.kind, KW_NAME_MODEL);
        assert_string_equal(name.model, good[i][1]);
        assert_string_equal(name.version, good[i][2]);
        assert_string_equal(name.file, good[i][3]);
    }
    for (size_t i = 0; i < KW_COUNT(bad); i++)
        assert_int_equal(kw_name_parse(kw_str_from(bad[i]), &name, NULL), KW_E_ARG);
    static const char *const digests[] = {HEX64, "sha256:" HEX64, "sha256-" HEX64};
    for (size_t i = 0; i < KW_COUNT(digests); i++) {
        assert_int_equal(kw_name_parse(kw_str_from(digests[i]), &name, NULL), KW_OK);
        assert_int_equal(name.kind, KW_NAME_DIGEST);
        assert_int_equal(name.sha256[7], 0xef);
    }
    static const char *const cids[] = {
        "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        "/ipfs/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"};
    for (size_t i = 0; i < KW_COUNT(cids); i++) {
        assert_int_equal(kw_name_parse(kw_str_from(cids[i]), &name, NULL), KW_OK);
        assert_int_equal(name.kind, KW_NAME_CID);
        assert_int_equal(name.cid.digest[0], 0xe3);
    }
    /* Not a CID: a model may be called so. */
    assert_int_equal(kw_name_parse(KW_STR("bafy"), &name, NULL), KW_OK);
    assert_int_equal(name.kind, KW_NAME_MODEL);
}

/* The place that runs, below the folder, or the name of the status. */
static void expect(kw_index *index, const fixture *f, const char *text, const char *want)
{
    kw_name name;
    kw_found found;
    char *path = NULL;
    assert_int_equal(kw_name_parse(kw_str_from(text), &name, NULL), KW_OK);
    kw_status status = kw_find(index, &name, &found, NULL);
    if (status == KW_OK) {
        status = kw_found_runs(&found, &path, NULL);
        kw_found_free(&found);
    }
    if (status == KW_OK)
        assert_string_equal(path + strlen(f->dir) + 1, want);
    else
        assert_string_equal(kw_status_name(status), want);
    free(path);
}

static void finding(void **state)
{
    const fixture *const f = *state;
    static const char *const files[] = {
        "store/a/one/x.gguf",
        "store/a/one/mmproj-x.gguf",
        "store/a/many/m-Q4_K_M.gguf",
        "store/a/many/m-Q8_0.gguf",
        "store/a/dir/config.json",
        "store/a/dir/model.safetensors",
        "store/a/split/s-00001-of-00002.gguf",
        "store/a/split/s-00002-of-00002.gguf",
        "store/b/one/y.gguf",
        "store/b/none/readme.md",
        "store/b/none/other.md",
        "hf/models--c--two/snapshots/111111/t.gguf",
        "hf/models--c--two/snapshots/222222/t.gguf",
        "hf/models--a--one/snapshots/111111/x.gguf",
    };
    char own[128], hf[128];
    snprintf(own, sizeof own, "%s/store", f->dir);
    snprintf(hf, sizeof hf, "%s/hf", f->dir);
    for (size_t i = 0; i < KW_COUNT(files); i++)
        write_file(in_dir(f, files[i]), 10 + i, (uint32_t)i);
    kw_index *index;
    const kw_store_places places = {own, hf, NULL};
    assert_int_equal(kw_index_open(":memory:", &index, NULL), KW_OK);
    assert_int_equal(kw_stores_scan(index, &places, NULL), KW_OK);
    expect(index, f, "a/one", "store/a/one/x.gguf");
    expect(index, f, "A/ONE:x.gguf", "store/a/one/x.gguf");
    expect(index, f, "a/one:mmproj", "store/a/one/mmproj-x.gguf");
    expect(index, f, "one", "bad argument");
    expect(index, f, "a/many", "bad argument");
    expect(index, f, "many:q4_k_m", "store/a/many/m-Q4_K_M.gguf");
    expect(index, f, "many:q5", "not found");
    expect(index, f, "dir", "store/a/dir");
    expect(index, f, "a/split", "store/a/split/s-00001-of-00002.gguf");
    expect(index, f, "b/none", "unsupported");
    expect(index, f, "c/two", "bad argument");
    expect(index, f, "c/two@222", "hf/models--c--two/snapshots/222222/t.gguf");
    expect(index, f, "c/two:111111", "hf/models--c--two/snapshots/111111/t.gguf");
    expect(index, f, "a/one@111111", "hf/models--a--one/snapshots/111111/x.gguf");
    expect(index, f, "a/nobody", "not found");
    expect(index, f, HEX64, "not found");
    kw_index_close(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading),
        cmocka_unit_test_setup_teardown(finding, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
