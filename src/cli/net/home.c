/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* home.c - from the environment to directories, from directories to the index. */
#include "cli/net/home.h"

#include "cli/interrupt.h"
#include "os/dir.h"
#include "os/file.h"
#include "os/system.h"

#include <stdlib.h>
#include <string.h>

#define OLLAMA_SERVICE "/usr/share/ollama/.ollama/models"

char *kw_home_join(const char *a, const char *b)
{
    kw_buf buf = {0};
    if (!a)
        return NULL;
    kw_buf_printf(&buf, "%s/%s", a, b);
    if (buf.failed)
        kw_buf_free(&buf);
    return buf.data;
}

/* The value of a variable, or NULL when it is empty. */
static const char *variable(const kw_cli *cli, const char *name)
{
    const char *const value = cli->env(name);
    return value && value[0] ? value : NULL;
}

static char *find_huggingface(const kw_cli *cli, const char *user)
{
    const char *const hub = variable(cli, "HF_HUB_CACHE"), *const home = variable(cli, "HF_HOME"),
                      *const cache = variable(cli, "XDG_CACHE_HOME");
    if (hub)
        return strdup(hub);
    if (home)
        return kw_home_join(home, "hub");
    return cache ? kw_home_join(cache, "huggingface/hub")
                 : kw_home_join(user, ".cache/huggingface/hub");
}

static char *find_ollama(const kw_cli *cli, const char *user)
{
    const char *const models = variable(cli, "OLLAMA_MODELS");
    if (models)
        return strdup(models);
    char *const own = kw_home_join(user, ".ollama/models");
    if ((own && kw_file_is_dir(own)) || !kw_file_is_dir(OLLAMA_SERVICE))
        return own;
    free(own);
    return strdup(OLLAMA_SERVICE);
}

kw_status kw_home_open(const kw_cli *cli, bool make, kw_home *out, kw_error *err)
{
    const char *const named = variable(cli, "KWAAI_HOME"), *const user = variable(cli, "HOME");
    *out = (kw_home){0};
    if (!named && !user)
        return kw_fail(err, KW_E_ARG, "neither KWAAI_HOME nor HOME says where models are kept");
    out->dir = named ? strdup(named) : kw_home_join(user, ".kwaai");
    out->index = kw_home_join(out->dir, "index.db");
    out->store = kw_home_join(out->dir, "store");
    out->trust = kw_home_join(out->dir, "trust.conf");
    out->node = kw_home_join(out->dir, "node.db");
    out->huggingface = find_huggingface(cli, user);
    out->ollama = find_ollama(cli, user);
    kw_status status = out->index && out->store && out->trust && out->node
                           ? KW_OK
                           : kw_fail(err, KW_E_NOMEM, "no memory for paths");
    if (status == KW_OK && make)
        status = kw_dir_make(out->dir, err);
    if (status != KW_OK)
        kw_home_close(out);
    return status;
}

void kw_home_close(kw_home *home)
{
    free(home->dir);
    free(home->index);
    free(home->store);
    free(home->trust);
    free(home->node);
    free(home->huggingface);
    free(home->ollama);
    *home = (kw_home){0};
}

kw_status kw_cli_open_index(const kw_home *home, kw_index **out, kw_error *err)
{
    const kw_store_places places = {home->store, home->huggingface, home->ollama};
    KW_TRY(kw_index_open(home->index, out, err));
    const kw_status status = kw_stores_scan(*out, &places, err);
    if (status != KW_OK) {
        kw_index_close(*out);
        *out = NULL;
    }
    return status;
}

/* ---- names on the command line ---- */

/* Whether the user means a place rather than a name. */
static bool is_path(const char *text)
{
    return text[0] == '/' || text[0] == '.' || strncmp(text, "~/", 2) == 0;
}

/* The first name of the file is enough. */
static kw_status take_path(void *user, const kw_index_row *row, kw_error *err)
{
    kw_found *const out = user;
    return out->n > 0 ? KW_OK : kw_found_add(out, row, err);
}

static kw_status find_path(kw_index *index, const char *text, kw_found *out, kw_error *err)
{
    char *real;
    *out = (kw_found){0};
    KW_TRY(kw_path_real(text, &real, err));
    const kw_index_query query = {.path = real};
    kw_status status = kw_index_each(index, &query, take_path, out, err);
    if (status == KW_OK && out->n == 0)
        status = kw_fail(err, KW_E_NOTFOUND, "%s is in no store that kwaai knows", text);
    free(real);
    if (status != KW_OK)
        kw_found_free(out);
    return status;
}

kw_status kw_cli_find(kw_index *index, const char *text, kw_found *out, kw_error *err)
{
    kw_name name;
    if (is_path(text) && strncmp(text, "/ipfs/", 6) != 0)
        return find_path(index, text, out, err);
    KW_TRY(kw_name_parse(kw_str_from(text), &name, err));
    return kw_find(index, &name, out, err);
}

int kw_cli_fail_name(kw_cli *cli, kw_status status, const kw_error *err)
{
    if (status != KW_E_NOTFOUND)
        return kw_cli_fail(cli, status, err);
    kw_cli_note(cli, "%s", err->message);
    kw_cli_hint(cli, "kwaai list shows what is here");
    return KW_EXIT_FAILED;
}

/* ---- hashing ---- */

typedef struct progress {
    kw_cli *cli;
    const char *file;
    uint64_t start_ns, shown_ns;
} progress;

static bool show_progress(void *user, uint64_t done, uint64_t total)
{
    progress *const p = user;
    const uint64_t now = kw_clock_ns();
    char size[16], speed[16];
    if (now - p->shown_ns > 100000000 && total > 0) {
        const double seconds = (double)(now - p->start_ns) * 1e-9;
        p->shown_ns = now;
        kw_cli_progress(p->cli, "%s: %3.0f %% of %s, %s/s", p->file,
                        100.0 * (double)done / (double)total, kw_print_bytes(total, size),
                        kw_print_bytes((uint64_t)((double)done / seconds), speed));
    }
    return !kw_interrupt_seen();
}

kw_status kw_cli_hash(kw_cli *cli, kw_index *index, const kw_index_row *row, bool again,
                      kw_file_hash *hash, kw_error *err)
{
    kw_system system;
    kw_file_hash made;
    if (hash)
        *hash = (kw_file_hash){0};
    if (row->hashed && !again)
        return KW_OK;
    kw_system_query(&system);
    progress p = {cli, row->file, kw_clock_ns(), kw_clock_ns()};
    const kw_hash_config config = {.n_threads = system.n_cores,
                                   .sha_extension = (system.features & KW_CPU_SHA) != 0,
                                   .progress = show_progress,
                                   .user = &p};
    kw_status status = kw_file_hash_make(row->path, &config, &made, err);
    kw_cli_progress_end(cli);
    KW_TRY(status);
    status = kw_index_put_hash(index, row->id, &made, err);
    if (status == KW_OK && hash)
        *hash = made;
    else
        kw_file_hash_free(&made);
    return status;
}
