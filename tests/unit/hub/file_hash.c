/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* file_hash.c - the digests of files around the size of a leaf, the same whatever the threads;
 * cancelling; a file that is no file.
 * kw-test: labels threads */
#include "hub/file_hash.h"

#include "hub_test.h"

#include "base/sha256.h"
#include "os/file.h"

static void digest(const uint8_t *data, size_t len, uint8_t out[32])
{
    kw_sha256 hash;
    kw_sha256_init(&hash, kw_sha256_kernel(false));
    kw_sha256_update(&hash, data, len);
    kw_sha256_final(&hash, out);
}

static void check(const char *path, int n_threads)
{
    const kw_hash_config config = {.n_threads = n_threads, .sha_extension = false};
    kw_file_hash hash;
    kw_map map;
    uint8_t want[32];
    assert_int_equal(kw_file_hash_make(path, &config, &hash, NULL), KW_OK);
    assert_int_equal(kw_map_open(path, false, &map, NULL), KW_OK);
    digest(map.len > 0 ? map.data : (const uint8_t *)"", map.len, want);
    assert_memory_equal(hash.sha256, want, 32);
    assert_int_equal(hash.n_leaves, kw_leaf_count(map.len));
    for (size_t n = 0; n < hash.n_leaves; n++) {
        const size_t at = n * KW_LEAF_SIZE, left = map.len - at;
        digest(left > 0 ? map.data + at : (const uint8_t *)"",
               left < KW_LEAF_SIZE ? left : KW_LEAF_SIZE, want);
        assert_memory_equal(hash.leaves[n], want, 32);
    }
    kw_map_close(&map);
    kw_file_hash_free(&hash);
}

static void sizes(void **state)
{
    static const size_t sizes[] = {0,
                                   1,
                                   KW_LEAF_SIZE - 1,
                                   KW_LEAF_SIZE,
                                   KW_LEAF_SIZE + 1,
                                   9 * KW_LEAF_SIZE,
                                   9 * KW_LEAF_SIZE + 7};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const char *const path = in_dir(*state, "file");
        write_file(path, sizes[i], (uint32_t)i);
        for (int threads = 0; threads <= 3; threads++)
            check(path, threads);
    }
    assert_int_equal(kw_leaf_count(0), 1);
}

static bool stop_half(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    return done * 2 < total;
}

static void cancelled(void **state)
{
    const char *const path = in_dir(*state, "file");
    write_file(path, 10 * KW_LEAF_SIZE, 1);
    for (int threads = 1; threads <= 3; threads++) {
        const kw_hash_config config = {.n_threads = threads, .progress = stop_half};
        kw_file_hash hash;
        assert_int_equal(kw_file_hash_make(path, &config, &hash, NULL), KW_E_CANCELLED);
        assert_null(hash.leaves);
    }
}

static bool touch_it(void *user, uint64_t done, uint64_t total)
{
    if (done == total) {
        FILE *const file = fopen(user, "ab");
        assert_non_null(file);
        fputc('x', file);
        fclose(file);
    }
    return true;
}

static void changed_meanwhile(void **state)
{
    char path[512];
    strcpy(path, in_dir(*state, "file"));
    write_file(path, KW_LEAF_SIZE, 1);
    const kw_hash_config config = {.progress = touch_it, .user = path};
    kw_file_hash hash;
    kw_error err = {0};
    assert_int_equal(kw_file_hash_make(path, &config, &hash, &err), KW_E_IO);
    assert_non_null(strstr(err.message, "changed while"));
    assert_int_equal(kw_file_hash_make(in_dir(*state, "none"), &config, &hash, &err),
                     KW_E_NOTFOUND);
    assert_int_equal(kw_file_hash_make(((fixture *)*state)->dir, &config, &hash, &err), KW_E_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(cancelled, setup, teardown),
        cmocka_unit_test_setup_teardown(changed_meanwhile, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
