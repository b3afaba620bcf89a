/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* early.c - a model that is fetched while it runs (--pull). See cli/early.h.
 *
 * A thread fetches, and tells nobody but this struct; the thread of the command shows how far that
 * is, while it waits for bytes. Only a file whose blocks can be verified one by one runs before it
 * is whole; anything else is fetched first. */
#include "cli/early.h"

#include "cli/interrupt.h"
#include "cli/load.h"
#include "cli/net/fetch_progress.h"
#include "cli/net/pull_job.h"
#include "hub/growing.h"
#include "os/file.h"
#include "os/sync.h"
#include "os/thread.h"

#include <stdlib.h>
#include <string.h>

#define SHOW_MS 100

struct kw_early {
    kw_cli *cli;
    kw_pull_job pull;
    kw_growing *growing;
    kw_thread *thread; /* NULL: not started, or joined */
    kw_fetch_line line;
    bool loading; /* nobody else looks whether the user wants to wait any longer */
    kw_buf path;  /* where the file is when it is whole; the thread's until then */
    kw_fetch_result result;
    kw_sync *sync; /* guards the rest */
    kw_fetch_progress progress;
    kw_fetch_share shares[KW_FETCH_SOURCES_MAX];
    bool fresh, stop, over;
    kw_status status; /* once it is over */
    kw_error err;
};

/* ---- the thread that fetches ---- */

static bool note_progress(void *user, const kw_listed *file, const kw_fetch_progress *progress)
{
    kw_early *const e = user;
    (void)file;
    kw_sync_lock(e->sync);
    e->progress = *progress;
    memcpy(e->shares, progress->shares, progress->n_shares * sizeof(e->shares[0]));
    e->progress.shares = e->shares;
    e->fresh = true;
    const bool stop = e->stop;
    kw_sync_unlock(e->sync);
    return !stop;
}

static void fetch(void *user)
{
    kw_early *const e = user;
    kw_error err = {0};
    bool there;
    const kw_status status =
        kw_pull_job_fetch(&e->pull, &e->pull.listing.files[0], &e->path, &e->result, &there, &err);
    kw_growing_end(e->growing); /* also where nothing was fetched */
    kw_sync_lock(e->sync);
    e->status = status;
    e->err = err;
    e->over = true;
    kw_sync_wake(e->sync);
    kw_sync_unlock(e->sync);
}

/* ---- waiting for it ---- */

/* The line of progress, but never in the midst of an answer. */
static void show(kw_early *e)
{
    kw_fetch_progress progress;
    kw_fetch_share shares[KW_FETCH_SOURCES_MAX];
    kw_sync_lock(e->sync);
    const bool fresh = e->fresh && e->cli->out.last == '\n';
    progress = e->progress;
    memcpy(shares, e->shares, sizeof(shares));
    e->fresh = false;
    kw_sync_unlock(e->sync);
    progress.shares = shares;
    if (fresh)
        kw_fetch_line_show(&e->line, e->pull.listing.files[0].name, &progress);
}

kw_arrival kw_cli_early_ask(void *early, uint64_t offset, uint64_t len, uint32_t wait_ms)
{
    kw_early *const e = early;
    const kw_arrival arrival = kw_growing_ask(e->growing, offset, len, wait_ms);
    if (arrival == KW_ARRIVED || wait_ms == 0)
        return arrival;
    show(e);
    return e->loading && kw_interrupt_seen() ? KW_ARRIVES_NEVER : arrival;
}

void kw_cli_early_loaded(kw_early *early)
{
    early->loading = false;
}

bool kw_cli_early_over(kw_early *e)
{
    kw_sync_lock(e->sync);
    const bool over = e->over;
    kw_sync_unlock(e->sync);
    return over;
}

static void wait_for_end(kw_early *e, bool wait)
{
    for (;;) {
        kw_sync_lock(e->sync);
        e->stop = e->stop || !wait || kw_interrupt_seen();
        if (!e->over)
            kw_sync_wait(e->sync, SHOW_MS * UINT64_C(1000000));
        const bool over = e->over;
        kw_sync_unlock(e->sync);
        if (over)
            break;
        show(e);
    }
    if (e->thread)
        kw_thread_join(e->thread);
    e->thread = NULL;
    kw_cli_progress_end(e->cli);
}

kw_status kw_cli_early_end(kw_early *e, bool wait, const char **path, kw_error *err)
{
    char size[16], shares[600];
    const bool first = e->thread != NULL;
    wait_for_end(e, wait);
    if (e->status != KW_OK) {
        if (err)
            *err = e->err;
        return e->status;
    }
    *path = e->path.data;
    if (!first)
        return KW_OK;
    kw_cli_note(e->cli, "%s: %s, %s", e->path.data, kw_print_bytes(e->result.size, size),
                kw_print_shares(e->result.shares, e->result.n_shares, shares, sizeof(shares)));
    return kw_pull_job_record(&e->pull, err);
}

void kw_cli_early_free(kw_early *e)
{
    if (!e)
        return;
    if (e->thread)
        wait_for_end(e, false);
    kw_growing_close(e->growing);
    kw_sync_free(e->sync);
    kw_pull_job_close(&e->pull);
    kw_buf_free(&e->path);
    free(e);
}

/* ---- beginning ---- */

static kw_status copy_path(const char *path, char **out, kw_error *err)
{
    *out = path ? strdup(path) : NULL;
    return *out ? KW_OK : kw_fail(err, KW_E_NOMEM, "no memory for a path");
}

static bool show_whole(void *user, const kw_listed *file, const kw_fetch_progress *progress)
{
    kw_early *const e = user;
    kw_fetch_line_show(&e->line, file->name, progress);
    return !kw_interrupt_seen();
}

/* Everything, before anything runs: *path is what is run then. */
static kw_status fetch_first(kw_early *e, const char *name, char **path, kw_error *err)
{
    kw_pull_job *const pull = &e->pull;
    kw_buf place = {0};
    kw_status status = KW_OK;
    pull->config.progress = show_whole;
    for (size_t i = 0; status == KW_OK && i < pull->listing.n; i++) {
        bool there;
        const kw_listed *const file = &pull->listing.files[i];
        status = kw_pull_job_find(pull, file, &place, &e->result, &there, err);
        if (status == KW_OK && !there)
            status = kw_pull_job_fetch(pull, file, &place, &e->result, &there, err);
        if (status == KW_OK && !there)
            kw_note_unknown(e->cli, file, &e->result);
    }
    kw_cli_progress_end(e->cli);
    if (status == KW_OK)
        status = kw_pull_job_record(pull, err);
    if (status == KW_OK && pull->listing.n == 1) {
        status = copy_path(place.data, path, err);
    } else if (status == KW_OK) {
        status = kw_cli_resolve(e->cli, pull->ref.model, path, err);
        if (status == KW_OK && !*path)
            status = kw_fail(err, KW_E_NOTFOUND, "%s: it was fetched, and has no model", name);
    }
    kw_buf_free(&place);
    return status;
}

/* Starts the thread; *path is the growing file, or stays NULL when it has to be whole first. */
static kw_status start(kw_early *e, char **path, kw_error *err)
{
    const kw_growing_config config = {.sha_extension = e->pull.config.sha_extension};
    const char *part;
    kw_arrival arrival;
    KW_TRY(kw_sync_create(&e->sync, err));
    KW_TRY(kw_growing_open(&config, &e->growing, err));
    e->pull.config.growing = e->growing;
    e->pull.config.progress = note_progress;
    KW_TRY(kw_thread_start(&e->thread, fetch, e, err));
    do {
        arrival = kw_growing_path(e->growing, SHOW_MS, &part);
        show(e);
    } while (arrival == KW_ARRIVES_LATER && !kw_interrupt_seen());
    if (arrival != KW_ARRIVED)
        KW_TRY(kw_cli_early_end(e, true, &part, err));
    return copy_path(part, path, err);
}

static kw_status begin(kw_early *e, const char *name, char **path, kw_error *err)
{
    kw_pull_job *const pull = &e->pull;
    char here[2 * KW_REF_NAME_MAX + 2];
    bool found = false;
    KW_TRY(kw_pull_job_open(e->cli, name, pull, err));
    kw_pull_job_name(pull, here);
    KW_TRY(kw_cli_resolve(e->cli, here, path, err));
    if (*path)
        return KW_OK;
    if (!pull->web)
        return kw_fail(err, KW_E_NOTFOUND, "%s: it is not here, and may not be fetched", name);
    pull->config.user = e;
    pull->alone = true;
    KW_TRY(kw_pull_job_list(pull, err));
    if (pull->listing.n != 1 || !pull->listing.files[0].has_root)
        return fetch_first(e, name, path, err);
    KW_TRY(kw_pull_job_find(pull, &pull->listing.files[0], &e->path, &e->result, &found, err));
    if (!found)
        return start(e, path, err);
    return copy_path(e->path.data, path, err);
}

kw_status kw_cli_early_begin(kw_cli *cli, const char *name, kw_early **out, char **path,
                             kw_error *err)
{
    *out = NULL;
    *path = NULL;
    KW_TRY(kw_cli_resolve(cli, name, path, err));
    if (*path || kw_file_exists(name) || kw_file_is_dir(name))
        return KW_OK;
    kw_early *const e = calloc(1, sizeof(*e));
    if (!e)
        return kw_fail(err, KW_E_NOMEM, "no memory to fetch %s", name);
    e->cli = cli;
    e->line.cli = cli;
    e->loading = true;
    kw_interrupt_watch();
    kw_status status = begin(e, name, path, err);
    if (status == KW_E_NOTFOUND)
        status = KW_E_IO; /* no model that is here has another name */
    kw_cli_progress_end(cli);
    if (status == KW_OK && e->thread) {
        *out = e;
        return KW_OK;
    }
    kw_cli_early_free(e);
    return status;
}
