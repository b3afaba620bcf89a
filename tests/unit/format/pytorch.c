/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pytorch.c - checkpoints against what torch itself reads from them
 * (tests/golden/formats/torch.txt), hostile files one by one, and what no file of the shared data
 * has: built byte by byte. */
#include "fixtures.h"

#include "base/sha256.h"

/* ---- files ---- */

typedef struct expected {
    char file[160], name[160], type[16], shape[64], digest[17];
} expected;

static void check_tensor(const kw_model_file *file, const expected *e)
{
    const kw_tensor_view *const view = kw_model_file_tensor(file, kw_str_from(e->name));
    kw_sha256 hash;
    uint8_t digest[32];
    char hex[65], shape[96];
    if (!view)
        fail_msg("%s: no tensor \"%s\"", e->file, e->name);
    assert_string_equal(view->type_name, e->type);
    assert_string_equal(kw_shape_print(view->shape, shape, sizeof shape), e->shape);
    kw_sha256_init(&hash, kw_sha256_kernel(false));
    kw_sha256_update(&hash, view->data, (size_t)view->bytes);
    kw_sha256_final(&hash, digest);
    kw_sha256_hex(digest, hex);
    hex[16] = '\0';
    if (strcmp(hex, e->digest) != 0)
        fail_msg("%s: tensor \"%s\" has other elements", e->file, e->name);
}

static void equal_to_torch(void **state)
{
    (void)state;
    FILE *const list = fopen(KW_SOURCE_DIR "/tests/golden/formats/torch.txt", "r");
    char line[600], open_name[160] = "", path[1024];
    kw_model_file *file = NULL;
    size_t n_files = 0, n_tensors = 0;
    assert_non_null(list);
    if (!shared_path("torch-formats", path)) {
        fclose(list);
        skip();
    }
    while (fgets(line, sizeof line, list)) {
        expected e;
        assert_int_equal(sscanf(line, "%159[^\t]\t%159[^\t]\t%15[^\t]\t%63[^\t]\t%16s", e.file,
                                e.name, e.type, e.shape, e.digest),
                         5);
        if (strcmp(e.file, open_name) != 0) {
            if (file)
                assert_int_equal(file->n_tensors, n_tensors);
            kw_model_file_close(file);
            assert_non_null(shared_path(e.file, path));
            file = expect_open_path(path);
            memcpy(open_name, e.file, sizeof open_name);
            assert_int_equal(file->kind, KW_FILE_PYTORCH);
            n_files++;
            n_tensors = 0;
        }
        check_tensor(file, &e);
        n_tensors++;
    }
    fclose(list);
    assert_true(n_files >= 60);
    assert_int_equal(file->n_tensors, n_tensors);
    kw_model_file_close(file);
}

static void plain_values_are_metadata(void **state)
{
    (void)state;
    char path[1024];
    if (!shared_path("torch-formats/reader/checkpoint.pt", path))
        skip();
    kw_model_file *const file = expect_open_path(path);
    assert_non_null(kw_model_file_tensor(file, KW_STR("fc1.weight")));
    assert_non_null(kw_model_file_meta(file, KW_STR("__metadata__.epoch")));
    assert_int_equal(kw_model_file_meta(file, KW_STR("__metadata__.epoch"))->kind, KW_VALUE_INT);
    assert_int_equal(kw_model_file_meta(file, KW_STR("__metadata__.loss"))->kind, KW_VALUE_FLOAT);
    kw_model_file_close(file);
}

static void hostile_files_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *file, *words;
    } files[] = {
        {"pickle/GHSA-j343-8v2j-ff7w.pkl", "idlelib.pyshell.ModifiedInterpreter.runcommand"},
        {"pickle/GHSA-jgw4-cr84-mqxg.bin", "_UnixSubprocessTransport._start"},
        {"pickle/GHSA-vvpj-8cmc-gx39.pkl", "pkgutil.resolve_name"},
        {"pickle/bad_pytorch.pt", "no model format known here"},
        {"pickle/benign0_v0.pkl", "a pickle that is no PyTorch checkpoint"},
        {"pickle/benign0_v3.pkl", "a pickle that is no PyTorch checkpoint"},
        {"pickle/benign0_v4.pkl", "a pickle that is no PyTorch checkpoint"},
        {"pickle/benign_password_protected.zip", "\"test.txt\" is encrypted"},
        {"pickle/broken_model.pkl", "builtins.exec"},
        {"pickle/keyerror-exploit.pkl", "os.system"},
        {"pickle/malicious-invalid-bytes.pkl", "no model format known here"},
        {"pickle/malicious0.pkl", "__builtin__.globals"},
        {"pickle/malicious1.zip", "builtins.eval"},
        {"pickle/malicious1_0x1.zip", "\"model/config.pkl\" is encrypted"},
        {"pickle/malicious1_0x20.zip", "\"model/config.pkl\" is a patch"},
        {"pickle/malicious1_0x40.zip", "\"model/config.pkl\" is encrypted"},
        {"pickle/malicious1_central_directory.zip", "disagree about its name"},
        {"pickle/malicious1_crc.zip", "checksum dafa6d18 where 03e69f6c is recorded"},
        {"pickle/malicious1_v0.pkl", "__builtin__.eval"},
        {"pickle/malicious1_v3.pkl", "builtins.eval"},
        {"pickle/malicious1_v4.pkl", "builtins.eval"},
        {"pickle/not_a_pickle.bin", "no model format known here"},
        {"pickle/pytorch_magic_bypass.pt", "__builtin__.eval"},
        {"pickle/type-confusion-exploit.pkl", "os.system"},
        {"modelscan/password_protected.zip", "\"test.txt\" is encrypted"},
        {"modelscan/unsafe_zip_pytorch.pt", "posix.system"},
        {"../torch-formats/reader/broken.pt", "no model format known here"},
        {"../weights/yolov5n/yolov5n.pt", "models.yolo.Model"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char relative[256], path[1024];
        kw_model_file *file = NULL;
        kw_error err = {0};
        snprintf(relative, sizeof relative, "adversarial/%s", files[i].file);
        if (!shared_path(relative, path))
            skip();
        if (kw_model_file_open(path, NULL, &file, &err) == KW_OK)
            fail_msg("%s opened", files[i].file);
        if (!strstr(err.message, files[i].words))
            fail_msg("%s: \"%s\" where \"%s\" was expected", files[i].file, err.message,
                     files[i].words);
    }
}

/* ---- built byte by byte ---- */

static const char MAGIC[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
static const char VERSION[] = "\x80\x02M\xe9\x03.";
static const char LITTLE[] = "\x80\x02}U\x0dlittle_endian\x88s.";
static const char BIG[] = "\x80\x02}U\x0dlittle_endian\x89s.";

static void put_text(blob *im, const char *text, size_t n)
{
    put(im, text, n);
}

#define PUT(im, literal) put_text((im), (literal), sizeof(literal) - 1)

static void put_preamble(blob *im, bool little)
{
    *im = (blob){0};
    PUT(im, MAGIC);
    PUT(im, VERSION);
    if (little)
        PUT(im, LITTLE);
    else
        PUT(im, BIG);
}

/* "t": a tensor of `sizes` and `strides` (pickled tuples) over a FloatStorage "0" of n elements
 * (below 256), from element `first`. */
static void put_tensor(blob *im, uint8_t n, uint8_t first, const char *sizes, const char *strides)
{
    PUT(im, "\x80\x02}U\x01tctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\n"
            "U\x01"
            "0U\x03"
            "cpuK");
    put_int(im, n, 1);
    PUT(im, "NtQK");
    put_int(im, first, 1);
    put_text(im, sizes, strlen(sizes));
    put_text(im, strides, strlen(strides));
    PUT(im, "\x89}tRs.");
}

static void put_storages(blob *im, uint64_t n)
{
    PUT(im, "\x80\x02]U\x01"
            "0a.");
    put_u64(im, n);
    for (uint64_t i = 0; i < n; i++) {
        const float v = (float)i;
        put(im, &v, sizeof v);
    }
}

static void expect_tensor_refused(uint8_t n, uint8_t first, const char *sizes, const char *strides,
                                  kw_status status, const char *words)
{
    blob im;
    put_preamble(&im, true);
    put_tensor(&im, n, first, sizes, strides);
    put_storages(&im, n);
    expect_refused(&im, status, words);
}

static void scattered_elements_are_put_in_order(void **state)
{
    (void)state;
    blob im;
    put_preamble(&im, true);
    put_tensor(&im, 8, 1, "K\x02K\x03\x86", "K\x01K\x02\x86"); /* columns of a [3, 2] */
    put_storages(&im, 8);
    kw_model_file *const file = expect_open(&im);
    const kw_tensor_view *const view = kw_model_file_tensor(file, KW_STR("t"));
    const float want[] = {1, 3, 5, 2, 4, 6};
    assert_non_null(view);
    assert_true(kw_shape_eq(view->shape, SHAPE(2, 3)));
    assert_memory_equal(view->data, want, sizeof want);
    close_copy(file);
}

static void reach_is_checked(void **state)
{
    (void)state;
    const kw_status format = KW_E_FORMAT;
    expect_tensor_refused(8, 5, "K\x04\x85", "K\x01\x85", format,
                          "reaches element 8 of a storage of 8");
    expect_tensor_refused(8, 0, "K\x02K\x03\x86", "K\x07K\x01\x86", format, "reaches element 9");
    expect_tensor_refused(8, 0, "K\x02K\x03\x86", "K\x01\x85", format, "not as many strides");
    expect_tensor_refused(8, 0, "J\xff\xff\xff\xff\x85", "K\x01\x85", format, "no whole number");
    expect_tensor_refused(8, 9, "I0\n\x85", "K\x01\x85", format, "of a storage of 8");
    /* A stride of 0 makes much of little: 2^28 elements of one. */
    expect_tensor_refused(8, 0, "I268435456\n\x85", "I0\n\x85", KW_E_LIMIT,
                          "more than 64 times the file's");
    expect_tensor_refused(8, 0, "M\xe8\x03\x85", "I0\n\x85", KW_E_LIMIT, "passes the limit");
    expect_tensor_refused(8, 0, "(\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x03t", "I0\nI0\n\x86",
                          format, "multiply past 2^63");
}

static void containers_are_checked(void **state)
{
    (void)state;
    blob im;
    put_preamble(&im, false);
    expect_refused(&im, KW_E_UNSUPPORTED, "big-endian");
    put_preamble(&im, true);
    PUT(&im, "\x80\x02}.\x80\x02]U\x01"
             "0a.");
    put_u64(&im, 0);
    expect_refused(&im, KW_E_FORMAT, "nothing says what storage \"0\" holds");
    put_preamble(&im, true);
    put_tensor(&im, 4, 0, "K\x04\x85", "K\x01\x85");
    PUT(&im, "\x80\x02].");
    expect_refused(&im, KW_E_FORMAT, "storage \"0\" is not in the file");
    put_preamble(&im, true);
    put_tensor(&im, 4, 0, "K\x04\x85", "K\x01\x85");
    put_storages(&im, 3);
    expect_refused(&im, KW_E_FORMAT, "storage \"0\": 3 elements");
    put_preamble(&im, true);
    put_tensor(&im, 4, 0, "K\x04\x85", "K\x01\x85");
    put_storages(&im, 4);
    im.len--;
    expect_refused(&im, KW_E_FORMAT, "storage \"0\": 4 elements");
}

/* A dict that holds itself, and one that is its own child many times over. */
static void sharing_is_bounded(void **state)
{
    (void)state;
    blob im;
    put_preamble(&im, true);
    PUT(&im, "\x80\x02}q\x00U\x01"
             "ah\x00s.\x80\x02].");
    expect_refused(&im, KW_E_LIMIT, "nest deeper than 64");
    put_preamble(&im, true);
    PUT(&im, "\x80\x02]q\x00(");
    for (uint8_t i = 1; i < 40; i++) {
        PUT(&im, "]q");
        put_int(&im, i, 1);
        PUT(&im, "(h");
        put_int(&im, i - 1u, 1);
        PUT(&im, "h");
        put_int(&im, i - 1u, 1);
        PUT(&im, "e");
    }
    PUT(&im, "t.\x80\x02].");
    expect_refused(&im, KW_E_FORMAT, "it stops with 2 items");
    im.len -= 6;
    PUT(&im, "l\x86.\x80\x02].");
    expect_refused(&im, KW_E_LIMIT, "more than 4194304 objects");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_to_torch),
        cmocka_unit_test(plain_values_are_metadata),
        cmocka_unit_test(hostile_files_are_refused_by_name),
        cmocka_unit_test(scattered_elements_are_put_in_order),
        cmocka_unit_test(reach_is_checked),
        cmocka_unit_test(containers_are_checked),
        cmocka_unit_test(sharing_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
