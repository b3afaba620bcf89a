/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* follow.c - editing the list of followed publishers. The file is written whole, under a temporary
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
                       "\"%.100s\" is neither a public key (RWQ...) nor the name of one in the "
                       "trust file",
                       whom);
    *out = *known;
    return KW_OK;
}

static void put_key(kw_buf *out, const kw_trust_key *key)
{
    kw_buf_printf(out, "key %s ", key->name);
    kw_public_key_put_line(&key->key, out);
    kw_buf_printf(out, "\n");
}

static kw_status write_list(const lists *l, const kw_trust_key *with, const kw_trust_key *without,
                            kw_error *err)
{
    kw_buf text = {0};
    kw_file_writer *writer;
    kw_buf_printf(&text, "# publishers that kwaai node follows\n");
    for (size_t i = 0; i < l->following.n_keys; i++)
        if (!without || memcmp(l->following.keys[i].key.id, without->key.id, KW_KEY_ID_LEN) != 0)
            put_key(&text, &l->following.keys[i]);
    if (with)
        put_key(&text, with);
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

static kw_status change(kw_cli *cli, const char *whom, bool follow, kw_error *err)
{
    lists l;
    char id[KW_KEY_ID_TEXT];
    kw_trust_key key = {0};
    KW_TRY(open_lists(cli, &l, err));
    kw_status status = find(&l, whom, id, &key, err);
    if (status == KW_OK) {
        const bool already = kw_trust_find(&l.following, key.key.id) != NULL;
        if (already == follow)
            kw_cli_note(cli, "%s is %sfollowed", key.name, follow ? "already " : "not ");
        else
            status = write_list(&l, follow ? &key : NULL, follow ? NULL : &key, err);
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
        if (cli->parsed.options.json) {
            kw_json_open(&json, NULL, '{');
            kw_json_puts(&json, "name", key->name);
            kw_json_puts(&json, "key", text);
            kw_json_close(&json, '}');
        } else {
            kw_out_foreign(&cli->out, key->name, strlen(key->name));
            kw_out_printf(&cli->out, " %s\n", text);
        }
        kw_buf_free(&line);
    }
    if (cli->parsed.options.json) {
        kw_json_close(&json, ']');
        kw_out_puts(&cli->out, "\n");
    }
    close_lists(&l);
    return KW_OK;
}
