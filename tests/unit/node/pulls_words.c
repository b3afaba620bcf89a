/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pulls_words.c - the owner's request of a pull, word by word: what it becomes, and what is none.
 */
#include "node/pulls_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

#define CID "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
#define PEER "/ip4/127.0.0.1/tcp/4001"
#define WORDS_MAX 24

/* Reads the words of a line, separated by single spaces; its end is NULL when it is refused. */
static kw_pull *read_line(const char *line)
{
    char text[8192], *words[WORDS_MAX];
    size_t n = 0;
    kw_error err = {0};
    assert_true(strlen(line) < sizeof text);
    strcpy(text, line);
    for (char *at = strtok(text, " "); at; at = strtok(NULL, " ")) {
        assert_true(n < WORDS_MAX);
        words[n++] = at;
    }
    kw_pull *const p = calloc(1, sizeof *p);
    assert_non_null(p);
    if (kw_pull_read(p, words, n, &err) == KW_OK)
        return p;
    assert_true(err.message[0] != '\0');
    for (size_t i = 0; i < p->n_gateways; i++)
        free(p->gateways[i]);
    free(p);
    return NULL;
}

static void drop(kw_pull *p)
{
    for (size_t i = 0; i < p->n_gateways; i++)
        free(p->gateways[i]);
    free(p);
}

static void test_all(void **state)
{
    (void)state;
    char text[KW_CID_TEXT_MAX];
    kw_pull *const p = read_line(
        CID " model=me/a%20model file=sub/w%C3%A4.bin inside=1 size=18014398509481984 rate=1000000 "
            "sha256=00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00Fe "
            "url=https://example.org/a%3Fb%25 peer=" PEER " gateway=http://127.0.0.1:1 "
            "gateway=http://127.0.0.1:2");
    assert_non_null(p);
    kw_cid_text(&p->file.root, text);
    assert_string_equal(text, CID);
    assert_true(p->file.has_root && p->file.inside && p->file.has_sha256);
    assert_string_equal(p->model, "me/a model");
    assert_string_equal(p->file.name, "sub/w\xc3\xa4.bin");
    assert_true(p->file.size == UINT64_C(1) << 54);
    assert_int_equal(p->bytes_per_s, 1000000);
    assert_int_equal(p->file.sha256[31], 0xfe);
    assert_string_equal(p->file.url, "https://example.org/a?b%");
    assert_int_equal(p->n_peers, 1);
    assert_int_equal(p->n_gateways, 2);
    assert_string_equal(p->gateways[1], "http://127.0.0.1:2");
    drop(p);
}

static void test_least(void **state)
{
    (void)state;
    kw_pull *const p = read_line(CID " file=b model=a");
    assert_non_null(p);
    assert_true(p->file.size == KW_SIZE_UNKNOWN);
    assert_false(p->file.inside || p->file.has_sha256);
    assert_int_equal(p->bytes_per_s, 0);
    assert_int_equal(p->n_peers + p->n_gateways, 0);
    drop(p);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "nonsense model=a file=b",
        CID,
        CID " model=a",
        CID " file=b",
        CID " model=a file=b more",
        CID " model=a file=b colour=blue",
        CID " model=../a file=b",
        CID " model=a file=/etc/passwd",
        CID " model=a file=%2Fetc/passwd",
        CID " model=a file=b%2F..%2F..%2Fc",
        CID " model=a file=.hidden",
        CID " model=a file=b%00c",
        CID " model=a file=b%0Ac",
        CID " model=a file=b%",
        CID " model=a file=b%4",
        CID " model=a file=b%g0",
        CID " model= file=b",
        CID " model=a file=b size=",
        CID " model=a file=b size=-1",
        CID " model=a file=b size=1k",
        CID " model=a file=b size=99999999999999999999",
        CID " model=a file=b rate=fast",
        CID " model=a file=b sha256=00",
        CID
        " model=a file=b sha256=zz00000000000000000000000000000000000000000000000000000000000000",
        CID " model=a file=b peer=nowhere",
    };
    for (size_t i = 0; i < KW_COUNT(lines); i++)
        if (read_line(lines[i]))
            fail_msg("\"%s\" is taken", lines[i]);
}

/* line, and `n` times more. */
static bool is_taken(const char *more, size_t n)
{
    char line[8192] = CID " model=a file=b";
    for (size_t i = 0; i < n; i++)
        strcat(line, more);
    kw_pull *const p = read_line(line);
    if (p)
        drop(p);
    return p != NULL;
}

static void test_limits(void **state)
{
    (void)state;
    char url[KW_REF_URL_MAX + 16] = " url=";
    assert_true(is_taken(" gateway=http://a", KW_PULL_GATEWAYS));
    assert_false(is_taken(" gateway=http://a", KW_PULL_GATEWAYS + 1));
    assert_true(is_taken(" peer=" PEER, KW_PULL_PEERS));
    assert_false(is_taken(" peer=" PEER, KW_PULL_PEERS + 1));
    memset(url + 5, 'u', KW_REF_URL_MAX);
    assert_true(is_taken(url, 1));
    url[5 + KW_REF_URL_MAX] = 'u';
    assert_false(is_taken(url, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
