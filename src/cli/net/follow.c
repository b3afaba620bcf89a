/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* follow.c - editing the list of whom is followed. The file is written whole, under a temporary
 * name first, so that a node that reads it meanwhile sees the old list or the new one. */
#include "cli/net/follow.h"

#include "cli/net/trusted.h"
#include "os/file.h"

#include <stdlib.h>

typedef struct lists {
    kw_home home;
    char *path;
    kw_trust following, trust;
} lists;

char *kw_following_path(const kw_home *home)
{
    return kw_home_join(home->dir, "following.conf");
}

static void close_lists(lists *l)
{
    kw_trust_free(&l->following);
    kw_trust_free(&l->trust);
    free(l->path);
    kw_home_close(&l->home);
}

static kw_status open_lists(kw_cli *cli, lists *l, kw_error *err)
{
    bool there;
    *l = (lists){0};
    KW_TRY(kw_home_open(cli, true, &l->home, err));
    l->path = kw_following_path(&l->home);
    kw_status status = l->path ? KW_OK : kw_fail(err, KW_E_NOMEM, "no memory for a path");
    if (status == KW_OK)
        status = kw_trust_read(l->path, &l->following, &there, err);
    if (status == KW_OK)
        status = kw_cli_trust(&l->home, &l->trust, &there, err);
    if (status != KW_OK)
        close_lists(l);
    return status;
}

/* A key by the name that a file has for it. */
static const kw_trust_key *by_name(const kw_trust *trust, const char *name)
{
    for (size_t i = 0; i < trust->n_keys; i++)
        if (strcmp(trust->keys[i].name, name) == 0)
            return &trust->keys[i];
    return NULL;
}

/* id: room for the text of a key's id, which names a key that was given as such. */
static kw_status find(const lists *l, const char *whom, char id[KW_KEY_ID_TEXT], kw_trust_key *out,
                      kw_error *err)
{
    const kw_trust_key *known = by_name(&l->following, whom);
    if (!known)
        known = by_name(&l->trust, whom);
    if (!known && kw_public_key_get(kw_str_from(whom), &out->key, NULL) == KW_OK) {
        known = kw_trust_find(&l->trust, out->key.id);
        if (known && memcmp(known->key.key, out->key.key, sizeof out->key.key) != 0)
            return kw_fail(err, KW_E_ARG, "the trust file has another key with this id: %s",
                           known->name);
        kw_key_id_text(out->key.id, id);
        out->name = known ? known->name : id;
        return KW_OK;
    }
    if (!known)
        return kw_fail(err, KW_E_NOTFOUND,
                       "\"%.100s\" is neither a public key (RWQ...), nor the name of one in the "
                       "trust file, nor of a model (ORG/NAME)",
                       whom);
    *out = *known;
    return KW_OK;
}

/* ---- one model ---- */

typedef struct signer {
    uint8_t id[KW_KEY_ID_LEN];
    bool is_signed;
} signer;

static kw_status see_manifest(void *user, const kw_index_manifest *m, kw_error *err)
{
    signer *const s = user;
    kw_signature signature;
    (void)err;
    s->is_signed =
        m->signature.len > 0 && kw_signature_get(m->signature, &signature, NULL) == KW_OK;
    if (s->is_signed)
        memcpy(s->id, signature.id, sizeof s->id);
    return KW_OK;
}

/* The only key that policies name for the model; NULL: none, or several. */
static const kw_trust_key *by_policy(const kw_trust *trust, const char *model)
{
    const kw_trust_key *only = NULL;
    for (size_t i = 0; i < trust->n_keys; i++) {
        if (!kw_trust_names(trust, &trust->keys[i], model, NULL))
            continue;
        if (only)
            return NULL;
        only = &trust->keys[i];
    }
    return only;
}

/* The publisher of a model. */
static kw_status find_publisher(const lists *l, const char *model, kw_trust_key *out, kw_error *err)
{
    signer s = {.is_signed = false};
    kw_index *index;
    KW_TRY(kw_cli_open_index(&l->home, &index, err));
    const kw_status status = kw_index_each_manifest(index, model, NULL, see_manifest, &s, err);
    kw_index_close(index);
    KW_TRY(status);
    const kw_trust_key *key =
        s.is_signed ? kw_trust_find(&l->trust, s.id) : by_policy(&l->trust, model);
    if (!key && s.is_signed)
        key = kw_trust_find(&l->following, s.id);
    if (key) {
        *out = *key;
        return KW_OK;
    }
    if (!s.is_signed)
        return kw_fail(err, KW_E_NOTFOUND,
                       "nothing signed is here of \"%.100s\", and no policy of the trust file says "
                       "who publishes it",
                       model);
    char id[KW_KEY_ID_TEXT];
    kw_key_id_text(s.id, id);
    return kw_fail(err, KW_E_NOTFOUND,
                   "\"%.100s\" is signed with the key %s, which the trust file does not have",
                   model, id);
}

/* ---- the file ---- */

/* What becomes of the list. */
typedef struct edit {
    const kw_trust_key *with;    /* a key is added */
    const char *model;           /* and a policy for `key` */
    const kw_trust_key *without; /* a key goes */
    const kw_trust_key *key;     /* whose policies ... */
    const char *only;            /* ... go: that of this model; NULL: all */
} edit;

static void put_key(kw_buf *out, const kw_trust_key *key)
{
    kw_buf_printf(out, "key %s ", key->name);
    kw_public_key_put_line(&key->key, out);
    kw_buf_printf(out, "\n");
}

static bool rule_names(const kw_trust_rule *rule, const kw_trust_key *key)
{
    for (size_t i = 0; i < rule->n_keys; i++)
        if (strcmp(rule->keys[i], key->name) == 0)
            return true;
    return false;
}

static bool goes(const edit *e, const kw_trust_rule *rule)
{
    return !e->model && rule_names(rule, e->key) &&
           (!e->only || strcmp(e->only, rule->pattern) == 0);
}

static void put_list(const kw_trust *list, const edit *e, kw_buf *out)
{
    kw_buf_printf(out, "# publishers that kwaai node follows, and which of their models\n");
    for (size_t i = 0; i < list->n_keys; i++)
        if (!e->without || memcmp(list->keys[i].key.id, e->without->key.id, KW_KEY_ID_LEN) != 0)
            put_key(out, &list->keys[i]);
    if (e->with)
        put_key(out, e->with);
    for (size_t i = 0; i < list->n_rules; i++) {
        const kw_trust_rule *const rule = &list->rules[i];
        if (goes(e, rule))
            continue;
        kw_buf_printf(out, "policy %s %s", rule->pattern, kw_policy_name(rule->policy));
        for (size_t k = 0; k < rule->n_keys; k++)
            kw_buf_printf(out, " %s", rule->keys[k]);
        kw_buf_printf(out, "\n");
    }
    if (e->model)
        kw_buf_printf(out, "policy %s enforce %s\n", e->model, e->key->name);
}

static kw_status write_list(const lists *l, const edit *e, kw_error *err)
{
    kw_buf text = {0};
    kw_file_writer *writer;
    put_list(&l->following, e, &text);
    kw_status status = kw_buf_status(&text, err);
    if (status == KW_OK)
        status = kw_file_create(l->path, &writer, err);
    if (status == KW_OK) {
        status = kw_file_write(writer, text.data, text.len, err);
        const kw_status end = kw_file_finish(writer, status == KW_OK, err);
        status = status == KW_OK ? end : status;
    }
    kw_buf_free(&text);
    return status;
}

/* ---- the words ---- */

/* model NULL: all of the key's. */
static kw_status follow(kw_cli *cli, const lists *l, const kw_trust_key *key, const char *model,
                        kw_error *err)
{
    const kw_trust_key *const known = kw_trust_find(&l->following, key->key.id);
    bool named = false, fits = false;
    if (known)
        fits = kw_trust_names(&l->following, known, model ? model : "", &named);
    if (known && (!named || (model && fits))) {
        kw_cli_note(cli, "%s is already followed", model ? model : key->name);
        return KW_OK;
    }
    const edit e = {.with = known ? NULL : key, .model = model, .key = known ? known : key};
    return write_list(l, &e, err);
}

static kw_status unfollow(kw_cli *cli, const lists *l, const kw_trust_key *key, kw_error *err)
{
    const kw_trust_key *const known = kw_trust_find(&l->following, key->key.id);
    if (!known) {
        kw_cli_note(cli, "%s is not followed", key->name);
        return KW_OK;
    }
    const edit e = {.without = known, .key = known};
    return write_list(l, &e, err);
}

/* The key goes with its last policy: without any it would be followed in all. */
static kw_status unfollow_model(kw_cli *cli, const lists *l, const char *model, kw_error *err)
{
    for (size_t i = 0; i < l->following.n_keys; i++) {
        const kw_trust_key *const key = &l->following.keys[i];
        edit e = {.key = key, .only = model};
        size_t n_gone = 0, n_left = 0;
        for (size_t r = 0; r < l->following.n_rules; r++) {
            const kw_trust_rule *const rule = &l->following.rules[r];
            n_gone += goes(&e, rule);
            n_left += !goes(&e, rule) && rule_names(rule, key);
        }
        e.without = n_left == 0 ? key : NULL;
        if (n_gone > 0)
            return write_list(l, &e, err);
    }
    kw_cli_note(cli, "%s is not followed by its name", model);
    return KW_OK;
}

/* What `whom` is: the name of a key, a key, or the name of a model. */
static kw_status change(kw_cli *cli, const char *whom, bool adds, kw_error *err)
{
    lists l;
    char id[KW_KEY_ID_TEXT];
    kw_trust_key key = {0};
    KW_TRY(open_lists(cli, &l, err));
    kw_status status = find(&l, whom, id, &key, err);
    if (status == KW_OK) {
        status = adds ? follow(cli, &l, &key, NULL, err) : unfollow(cli, &l, &key, err);
    } else if (status == KW_E_NOTFOUND && strchr(whom, '/') &&
               kw_model_name_ok(kw_str_from(whom))) {
        status = adds ? find_publisher(&l, whom, &key, err) : KW_OK;
        if (status == KW_OK)
            status = adds ? follow(cli, &l, &key, whom, err) : unfollow_model(cli, &l, whom, err);
    }
    close_lists(&l);
    return status;
}

kw_status kw_cli_follow(kw_cli *cli, const char *whom, kw_error *err)
{
    return change(cli, whom, true, err);
}

kw_status kw_cli_unfollow(kw_cli *cli, const char *whom, kw_error *err)
{
    return change(cli, whom, false, err);
}

static void show_json(kw_json_writer *json, const kw_trust *list, const kw_trust_key *key,
                      const char *text)
{
    bool named;
    (void)kw_trust_names(list, key, "", &named);
    kw_json_open(json, NULL, '{');
    kw_json_puts(json, "name", key->name);
    kw_json_puts(json, "key", text);
    if (named)
        kw_json_open(json, "models", '[');
    for (size_t i = 0; named && i < list->n_rules; i++)
        if (rule_names(&list->rules[i], key))
            kw_json_puts(json, NULL, list->rules[i].pattern);
    if (named)
        kw_json_close(json, ']');
    kw_json_close(json, '}');
}

static void show_line(kw_out *out, const kw_trust *list, const kw_trust_key *key, const char *text)
{
    kw_out_foreign(out, key->name, strlen(key->name));
    kw_out_printf(out, " %s", text);
    for (size_t i = 0; i < list->n_rules; i++) {
        const char *const model = list->rules[i].pattern;
        if (!rule_names(&list->rules[i], key))
            continue;
        kw_out_puts(out, " ");
        kw_out_foreign(out, model, strlen(model));
    }
    kw_out_puts(out, "\n");
}

kw_status kw_cli_following(kw_cli *cli, kw_error *err)
{
    lists l;
    kw_json_writer json = {.out = &cli->out};
    KW_TRY(open_lists(cli, &l, err));
    if (cli->parsed.options.json)
        kw_json_open(&json, NULL, '[');
    for (size_t i = 0; i < l.following.n_keys; i++) {
        const kw_trust_key *const key = &l.following.keys[i];
        kw_buf line = {0};
        kw_public_key_put_line(&key->key, &line);
        const char *const text = line.failed ? "" : line.data;
        if (cli->parsed.options.json)
            show_json(&json, &l.following, key, text);
        else
            show_line(&cli->out, &l.following, key, text);
        kw_buf_free(&line);
    }
    if (cli->parsed.options.json) {
        kw_json_close(&json, ']');
        kw_out_puts(&cli->out, "\n");
    }
    close_lists(&l);
    return KW_OK;
}
