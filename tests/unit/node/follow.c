/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* follow.c - which models of a followed publisher are taken: good and newer ones, of names that
 * nobody else has here, within the cap; who is wrong when one is not; and what one becomes. */
#include "node/follow_job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hub/stores.h"

typedef struct world {
    char dir[64], store[80];
    kw_index *index;
    kw_secret_key secret;
    kw_trust_key key;
    uint64_t cap_bytes;
} world;

static int setup(void **state)
{
    world *w = calloc(1, sizeof *w);
    if (!w)
        return -1;
    *state = w;
    strcpy(w->dir, "/tmp/kw-follow-XXXXXX");
    if (!mkdtemp(w->dir))
        return -1;
    (void)snprintf(w->store, sizeof w->store, "%s/store", w->dir);
    assert_int_equal(kw_index_open(":memory:", &w->index, NULL), KW_OK);
    assert_int_equal(kw_secret_key_new(&w->secret, NULL), KW_OK);
    w->key = (kw_trust_key){.name = "alice", .key = kw_secret_key_public(&w->secret)};
    return 0;
}

static int teardown(void **state)
{
    world *w = *state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", w->dir);
    const int code = system(command);
    kw_index_close(w->index);
    free(w);
    return code;
}

/* A file of zeros of this size; its digest and root are made up. */
static kw_manifest_file file_of(const char *name, uint64_t size)
{
    kw_manifest_file file = {.name = name, .size = size, .sized = true, .rooted = true};
    memset(file.sha256, 7, sizeof file.sha256);
    file.root = kw_cid_of_sha256(KW_CODEC_RAW, file.sha256);
    return file;
}

typedef struct offered {
    kw_buf body, signature;
    kw_registry_entry entry;
    kw_registry_answer answer;
} offered;

static void offer(world *w, const kw_secret_key *by, const char *model, uint64_t version,
                  kw_manifest_file *file, offered *out)
{
    const kw_manifest manifest = {.model = model, .files = file, .n_files = 1};
    kw_buf comment = {0};
    (void)w;
    *out = (offered){.entry = {.version = version}};
    memcpy(out->entry.name, model, strlen(model) + 1);
    kw_trust_comment(model, version, 1, &comment);
    assert_int_equal(kw_manifest_put(&manifest, &out->body, NULL), KW_OK);
    assert_int_equal(kw_signature_make(by,
                                       (kw_bytes){(const uint8_t *)out->body.data, out->body.len},
                                       comment.data, &out->signature, NULL),
                     KW_OK);
    out->answer = (kw_registry_answer){.manifest = {out->body.data, out->body.len},
                                       .signature = {out->signature.data, out->signature.len}};
    kw_buf_free(&comment);
}

static void offer_free(offered *o)
{
    kw_buf_free(&o->body);
    kw_buf_free(&o->signature);
}

static kw_status accept(world *w, const offered *o, const kw_trust *trust, kw_follow_job **out)
{
    kw_follow_job *job = calloc(1, sizeof *job);
    kw_error err = {0};
    assert_non_null(job);
    job->index = w->index;
    job->store = w->store;
    job->cap_bytes = w->cap_bytes;
    const kw_status status = kw_follow_accept(job, &o->entry, &o->answer, &w->key, trust, &err);
    if (status == KW_OK && out)
        *out = job;
    else
        kw_follow_job_free(job);
    assert_true(status == KW_OK || err.message[0]);
    return status;
}

static void put(world *w, const offered *o, uint64_t version)
{
    const kw_index_manifest m = {.model = o->entry.name,
                                 .version = version,
                                 .body = o->answer.manifest,
                                 .signature = o->answer.signature};
    assert_int_equal(kw_index_put_manifest(w->index, &m, NULL), KW_OK);
}

static void test_versions(void **state)
{
    world *w = *state;
    kw_manifest_file file = file_of("a.gguf", 10);
    offered old, new;
    offer(w, &w->secret, "me/model", 4, &file, &old);
    offer(w, &w->secret, "me/model", 5, &file, &new);
    assert_int_equal(accept(w, &old, NULL, NULL), KW_OK);
    put(w, &new, 5);
    assert_int_equal(accept(w, &old, NULL, NULL), KW_E_ARG);
    assert_int_equal(accept(w, &new, NULL, NULL), KW_E_ARG);
    offer_free(&old);
    offer_free(&new);
}

static void test_signatures(void **state)
{
    world *w = *state;
    kw_manifest_file file = file_of("a.gguf", 10);
    kw_secret_key stranger;
    offered o;
    assert_int_equal(kw_secret_key_new(&stranger, NULL), KW_OK);
    offer(w, &stranger, "me/model", 4, &file, &o);
    assert_int_equal(accept(w, &o, NULL, NULL), KW_E_FORMAT); /* somebody else's */
    offer_free(&o);
    offer(w, &w->secret, "me/model", 4, &file, &o);
    o.entry.name[0] = 'w';
    assert_int_equal(accept(w, &o, NULL, NULL), KW_E_FORMAT); /* of another model than it was for */
    o.entry.name[0] = 'm';
    o.body.data[o.body.len / 2] ^= 1;
    assert_int_equal(accept(w, &o, NULL, NULL), KW_E_FORMAT); /* changed */
    o.answer.signature.len = 0;
    assert_int_equal(accept(w, &o, NULL, NULL), KW_E_FORMAT); /* none */
    offer_free(&o);
}

/* The trust file may want another key for the name. */
static void test_trust(void **state)
{
    world *w = *state;
    kw_manifest_file file = file_of("a.gguf", 10);
    offered o;
    offer(w, &w->secret, "me/model", 4, &file, &o);
    kw_trust_rule rule = {.pattern = "me/*", .policy = KW_POLICY_ENFORCE};
    kw_trust trust = {.rules = &rule, .n_rules = 1};
    assert_int_equal(accept(w, &o, &trust, NULL), KW_E_ARG);
    trust.keys = &w->key;
    trust.n_keys = 1;
    assert_int_equal(accept(w, &o, &trust, NULL), KW_OK);
    offer_free(&o);
}

static void write_store(world *w, const char *name, size_t len)
{
    char path[256];
    (void)snprintf(path, sizeof path, "mkdir -p '%s/me/model' && head -c %zu /dev/zero >'%s/%s'",
                   w->store, len, w->store, name);
    assert_int_equal(system(path), 0);
    const kw_store_places places = {.own = w->store};
    assert_int_equal(kw_stores_scan(w->index, &places, NULL), KW_OK);
}

static void test_others(void **state)
{
    world *w = *state;
    kw_manifest_file file = file_of("a.gguf", 10);
    kw_secret_key stranger;
    offered mine, theirs;
    offer(w, &w->secret, "me/model", 4, &file, &mine);
    write_store(w, "me/model/a.gguf", 10);
    assert_int_equal(accept(w, &mine, NULL, NULL), KW_OK); /* of a look that was cut off */
    write_store(w, "me/model/b.gguf", 3);
    assert_int_equal(accept(w, &mine, NULL, NULL), KW_E_ARG); /* of somebody who pulled it */
    assert_int_equal(kw_secret_key_new(&stranger, NULL), KW_OK);
    offer(w, &stranger, "me/model", 1, &file, &theirs);
    put(w, &theirs, 1);
    assert_int_equal(accept(w, &mine, NULL, NULL), KW_E_ARG); /* another publisher's */
    offer_free(&mine);
    offer_free(&theirs);
}

static void test_files(void **state)
{
    world *w = *state;
    kw_manifest_file file = file_of("a.gguf", 10);
    offered o;
    file.rooted = false;
    offer(w, &w->secret, "me/model", 4, &file, &o);
    assert_int_equal(accept(w, &o, NULL, NULL), KW_E_ARG); /* no peer could be asked for it */
    offer_free(&o);
    file = file_of(".hidden", 10);
    offer(w, &w->secret, "me/model", 4, &file, &o);
    assert_int_equal(accept(w, &o, NULL, NULL), KW_E_ARG);
    offer_free(&o);
}

static void test_room(void **state)
{
    world *w = *state;
    kw_manifest_file file = file_of("a.gguf", 1000);
    offered o;
    offer(w, &w->secret, "me/other", 4, &file, &o);
    w->cap_bytes = 999;
    assert_int_equal(accept(w, &o, NULL, NULL), KW_E_LIMIT);
    write_store(w, "me/model/here", 600);
    w->cap_bytes = 1500;
    assert_int_equal(accept(w, &o, NULL, NULL), KW_E_LIMIT); /* with what is there already */
    w->cap_bytes = 2000;
    assert_int_equal(accept(w, &o, NULL, NULL), KW_OK);
    offer_free(&o);
}

static kw_status take_offered(void *user, const kw_index_manifest *m, kw_error *err)
{
    (void)err;
    assert_true(m->offered);
    *(uint64_t *)user = m->version;
    return KW_OK;
}

/* A file that the version before had is gone; the manifest is offered when all is here. */
static void test_record(void **state)
{
    world *w = *state;
    kw_manifest_file old_file = file_of("old", 3), file = file_of("a.gguf", 10);
    offered old, new;
    kw_follow_job *job = NULL;
    kw_listed listed;
    uint64_t version = 0;
    char path[128];
    offer(w, &w->secret, "me/model", 4, &old_file, &old);
    put(w, &old, 4);
    write_store(w, "me/model/old", 3);
    offer(w, &w->secret, "me/model", 5, &file, &new);
    assert_int_equal(accept(w, &new, NULL, &job), KW_OK);
    assert_true(kw_follow_next(job, &listed));
    assert_string_equal(listed.name, "a.gguf");
    assert_int_equal(listed.size, 10);
    assert_true(listed.has_root && listed.has_sha256);
    assert_memory_equal(listed.sha256, file.sha256, 32);
    job->n_fetched++;
    assert_false(kw_follow_next(job, &listed));
    assert_int_equal(kw_follow_record(job, NULL), KW_OK);
    assert_int_equal(
        kw_index_each_manifest(w->index, "me/model", NULL, take_offered, &version, NULL), KW_OK);
    assert_int_equal(version, 5);
    (void)snprintf(path, sizeof path, "test ! -e '%s/me/model/old'", w->store);
    assert_int_equal(system(path), 0);
    kw_follow_job_free(job);
    offer_free(&old);
    offer_free(&new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_versions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signatures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trust, setup, teardown),
        cmocka_unit_test_setup_teardown(test_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_record, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
