/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* trust.c - the trust file, and every way in which a signed model can be wrong: what each policy
 * makes of it. The table of docs/trust.md. */
#include "hub/trust.h"

#include "hub_test.h"

#include "base/check.h"

typedef struct people {
    kw_secret_key alice, bob;
    kw_trust trust;
    kw_buf manifest; /* of alice/model */
} people;

static void read_trust(people *p, const char *rules)
{
    const kw_public_key alice = kw_secret_key_public(&p->alice),
                        bob = kw_secret_key_public(&p->bob);
    kw_buf text = {0};
    kw_error err = {0};
    kw_trust_free(&p->trust);
    kw_buf_printf(&text, "# keys\nkey alice ");
    kw_public_key_put_line(&alice, &text);
    kw_buf_printf(&text, " # hers\r\n\nkey bob\t");
    kw_public_key_put_line(&bob, &text);
    kw_buf_printf(&text, "\n%s", rules);
    if (kw_trust_get((kw_str){text.data, text.len}, "trust.conf", &p->trust, &err) != KW_OK)
        fail_msg("%s", err.message);
    kw_buf_free(&text);
}

static void open_people(people *p)
{
    kw_manifest_file file = {.name = "a.gguf"};
    const kw_manifest m = {.model = "alice/model", .files = &file, .n_files = 1};
    *p = (people){0};
    assert_int_equal(kw_secret_key_new(&p->alice, NULL), KW_OK);
    assert_int_equal(kw_secret_key_new(&p->bob, NULL), KW_OK);
    assert_int_equal(kw_manifest_put(&m, &p->manifest, NULL), KW_OK);
    read_trust(p, "policy alice/* enforce alice\npolicy any/* enforce\npolicy x/* off\n");
}

static void close_people(people *p)
{
    kw_trust_free(&p->trust);
    kw_buf_free(&p->manifest);
}

/* Judges the manifest as `model`, signed by key with this trusted comment. key NULL: unsigned. */
static kw_judgement judge(const people *p, const char *model, const kw_secret_key *key,
                          const char *comment, uint64_t seen)
{
    const kw_str manifest = {p->manifest.data, p->manifest.len};
    kw_buf signature = {0};
    kw_judgement out;
    if (key)
        assert_int_equal(kw_signature_make(key,
                                           (kw_bytes){(const uint8_t *)manifest.data, manifest.len},
                                           comment, &signature, NULL),
                         KW_OK);
    const kw_signed what = {model, manifest, {signature.data, signature.len}, seen};
    kw_trust_judge(&p->trust, &what, &out);
    kw_buf_free(&signature);
    return out;
}

static void expect(kw_judgement found, kw_trust_reason reason, bool accepted)
{
    if (found.reason != reason || found.accepted != accepted)
        fail_msg("reason %d, accepted %d: %s", (int)found.reason, found.accepted, found.why);
}

static void judging(void **state)
{
    (void)state;
    people p;
    kw_secret_key stranger;
    open_people(&p);
    assert_int_equal(kw_secret_key_new(&stranger, NULL), KW_OK);
    const char *const good = "model:alice/model\tversion:5\ttimestamp:1";
    const kw_judgement ok = judge(&p, "alice/model", &p.alice, good, 5);
    expect(ok, KW_TRUST_GOOD, true);
    assert_int_equal(ok.version, 5);
    expect(judge(&p, "alice/model", &p.alice, good, 6), KW_TRUST_OLDER, false);
    expect(judge(&p, "alice/model", &p.alice, "timestamp:1", 1), KW_TRUST_OLDER, false);
    expect(judge(&p, "alice/model", &p.alice, "version:x", 0), KW_TRUST_BAD, false);
    expect(judge(&p, "alice/model", &p.bob, good, 0), KW_TRUST_OTHER_KEY, false);
    expect(judge(&p, "alice/model", &stranger, good, 0), KW_TRUST_UNKNOWN_KEY, false);
    expect(judge(&p, "alice/model", NULL, NULL, 0), KW_TRUST_UNSIGNED, false);
    expect(judge(&p, "any/other", &p.bob, good, 0), KW_TRUST_OTHER_MODEL, false);
    expect(judge(&p, "x/y", NULL, NULL, 0), KW_TRUST_NOT_ASKED, true);
    /* Without a rule: warn. */
    expect(judge(&p, "else/where", NULL, NULL, 0), KW_TRUST_UNSIGNED, true);
    expect(judge(&p, "else/where", &stranger, good, 0), KW_TRUST_UNKNOWN_KEY, true);
    expect(judge(&p, "else/where", &p.alice, good, 0), KW_TRUST_OTHER_MODEL, false);
    /* A signature under another's key id. */
    memcpy(stranger.id, p.alice.id, sizeof stranger.id);
    expect(judge(&p, "alice/model", &stranger, good, 0), KW_TRUST_BAD, false);
    expect(judge(&p, "else/where", &stranger, good, 0), KW_TRUST_BAD, false);
    /* A changed manifest. */
    kw_buf signature = {0};
    kw_judgement found;
    const kw_bytes bytes = {(const uint8_t *)p.manifest.data, p.manifest.len};
    assert_int_equal(kw_signature_make(&p.alice, bytes, good, &signature, NULL), KW_OK);
    p.manifest.data[40]++;
    const kw_signed what = {
        "alice/model", {p.manifest.data, p.manifest.len}, {signature.data, signature.len}, 0};
    kw_trust_judge(&p.trust, &what, &found);
    expect(found, KW_TRUST_BAD, false);
    kw_buf_free(&signature);
    close_people(&p);
}

static void patterns(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *model;
        bool matches;
    } cases[] = {
        {"*", "a/b", true},         {"a/b", "A/b", true},       {"a/*", "a/b", true},
        {"a/*", "ab/c", false},     {"*b", "a/b", true},        {"*b", "a/bc", false},
        {"a*c*e", "abcde", true},   {"a*c*e", "abcdef", false}, {"**", "x", true},
        {"*aab", "aaaaaaab", true}, {"a", "ab", false},
    };
    people p;
    open_people(&p);
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        char rules[64];
        snprintf(rules, sizeof rules, "policy %s off\n", cases[i].pattern);
        read_trust(&p, rules);
        assert_int_equal(kw_trust_policy(&p.trust, cases[i].model),
                         cases[i].matches ? KW_POLICY_OFF : KW_POLICY_WARN);
    }
    close_people(&p);
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"kee a b", "line 1"},
        {"\n\npolicy * maybe", "line 3"},
        {"policy *", "policy PATTERN"},
        {"policy", "policy PATTERN"},
        {"policy * enforce nobody", "nobody"},
        {"key a RWQ", "no public key"},
        {"key a", "key NAME"},
        {"key a RWRgjTsEClhdhw3iikkV/ueRRP81/cT3+jr0q2PyI5rhkfGWimJiBNQr x", "key NAME"},
    };
    kw_trust trust;
    kw_error err = {0};
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        assert_int_equal(kw_trust_get(kw_str_from(cases[i].text), "trust.conf", &trust, &err),
                         KW_E_FORMAT);
        if (!strstr(err.message, cases[i].says))
            fail_msg("%s: %s", cases[i].text, err.message);
    }
    assert_int_equal(kw_trust_get((kw_str){0}, "trust.conf", &trust, &err), KW_OK);
    kw_trust_free(&trust);
}

/* Which models of a key a list means. */
static void names(void **state)
{
    (void)state;
    people p;
    bool named;
    open_people(&p);
    const kw_trust_key *const alice = &p.trust.keys[0], *const bob = &p.trust.keys[1];
    assert_true(kw_trust_names(&p.trust, alice, "Alice/x", &named) && named);
    assert_true(!kw_trust_names(&p.trust, alice, "any/x", &named) && named);
    assert_true(!kw_trust_names(&p.trust, bob, "any/x", &named) && !named); /* by no name */
    read_trust(&p, "policy a/* warn bob alice\npolicy b/c enforce bob\n");
    assert_true(kw_trust_names(&p.trust, &p.trust.keys[0], "a/x", NULL));
    assert_false(kw_trust_names(&p.trust, &p.trust.keys[0], "b/c", NULL));
    assert_true(kw_trust_names(&p.trust, &p.trust.keys[1], "b/c", NULL)); /* not the first one */
    close_people(&p);
}

static void comments(void **state)
{
    (void)state;
    kw_buf buf = {0};
    kw_trust_comment("a/b", 7, 9, &buf);
    assert_string_equal(buf.data, "model:a/b\tversion:7\ttimestamp:9");
    assert_true(kw_str_is(kw_trust_field(buf.data, "version"), "7"));
    assert_true(kw_str_is(kw_trust_field(buf.data, "timestamp"), "9"));
    assert_null(kw_trust_field(buf.data, "time").data);
    assert_null(kw_trust_field("", "x").data);
    kw_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judging), cmocka_unit_test(patterns), cmocka_unit_test(refusals),
        cmocka_unit_test(names),   cmocka_unit_test(comments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
