/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* publish.c - kwaai publish: a manifest of a model, signed, and offered to peers.
 *
 * Nothing is copied or moved: the files stay where they are and whose they are. The version of a
 * manifest is the time in seconds, and always above the one before. */
#include "cli/commands.h"

#include "base/sha256.h"
#include "cli/interrupt.h"
#include "cli/net/trusted.h"
#include "os/dir.h"
#include "os/file.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct publishing {
    kw_cli *cli;
    kw_home home;
    kw_index *index;
    const char *model; /* the name it is published under */
    kw_found found;
    kw_buf body, signature;
    uint64_t version;
} publishing;

/* ---- which files ---- */

/* Whether every file that has the name lies in this place. */
static kw_status only_there(const kw_found *found, const char *real, kw_error *err)
{
    const size_t n = strlen(real);
    for (size_t i = 0; i < found->n; i++) {
        const char *const place = found->rows[i].place;
        if (strncmp(place, real, n) != 0 || (place[n] != '/' && place[n] != '\0'))
            return kw_fail(err, KW_E_ARG, "%s is the name of a model that lies elsewhere: %s",
                           found->rows[i].model, place);
    }
    return KW_OK;
}

static kw_status scan_folder(publishing *p, const char *real, kw_error *err)
{
    kw_name name;
    KW_TRY(kw_name_parse(kw_str_from(p->model), &name, err));
    KW_TRY(kw_folder_scan(p->index, real, p->model, err));
    KW_TRY(kw_find(p->index, &name, &p->found, err));
    return only_there(&p->found, real, err);
}

/* A path becomes a folder of the index, under the name that is given with it. */
static kw_status find_folder(publishing *p, const char *path, kw_error *err)
{
    char *real;
    KW_TRY(kw_path_real(path, &real, err));
    kw_status status = kw_index_add_folder(p->index, real, p->model, err);
    if (status == KW_OK)
        status = scan_folder(p, real, err);
    if (status != KW_OK)
        (void)kw_index_remove_folder(p->index, real, NULL);
    free(real);
    return status;
}

static kw_status find_files(publishing *p, kw_error *err)
{
    const char *const what = p->cli->parsed.args[0];
    const bool path = kw_file_exists(what) || kw_file_is_dir(what);
    const char *const given = p->cli->parsed.n_args > 1 ? p->cli->parsed.args[1] : NULL;
    p->model = given;
    if (given && !kw_model_name_ok(kw_str_from(given)))
        return kw_fail(err, KW_E_ARG, "\"%s\" is no name of a model: they are org/name", given);
    if (path && !given)
        return kw_fail(err, KW_E_ARG, "%s wants a name: kwaai publish %s ORG/NAME", what, what);
    if (path)
        return find_folder(p, what, err);
    if (given)
        return kw_fail(err, KW_E_ARG, "%s is a name; a second one is for a path", what);
    KW_TRY(kw_cli_find(p->index, what, &p->found, err));
    p->model = p->found.rows[0].model;
    return KW_OK;
}

/* ---- the manifest ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const kw_manifest_file *)a)->name, ((const kw_manifest_file *)b)->name);
}

static kw_status add_row(void *user, const kw_index_row *row, kw_error *err)
{
    kw_manifest_file *const file = user;
    (void)err;
    file->size = row->state.size;
    file->sized = true;
    file->rooted = row->rooted;
    file->root = row->root;
    memcpy(file->sha256, row->sha256, 32);
    return KW_OK;
}

/* Hashes what was not, and reads what the index knows then. */
static kw_status fill_file(publishing *p, const kw_index_row *row, kw_manifest_file *file,
                           kw_error *err)
{
    const kw_index_query query = {.id = row->id};
    KW_TRY(kw_cli_hash(p->cli, p->index, row, false, NULL, err));
    KW_TRY(kw_index_share(p->index, row->id, err));
    file->name = row->file;
    return kw_index_each(p->index, &query, add_row, file, err);
}

/* What a manifest says of itself it cannot hold. */
static bool is_manifest(const char *file)
{
    return strcmp(file, KW_MANIFEST_FILE) == 0 || strcmp(file, KW_SIGNATURE_FILE) == 0;
}

static kw_status write_manifest(publishing *p, kw_error *err)
{
    kw_manifest manifest = {.model = p->model};
    manifest.files = calloc(p->found.n, sizeof *manifest.files);
    if (!manifest.files)
        return kw_fail(err, KW_E_NOMEM, "no memory for %zu files", p->found.n);
    kw_status status = KW_OK;
    for (size_t i = 0; status == KW_OK && i < p->found.n; i++)
        if (!is_manifest(p->found.rows[i].file))
            status = fill_file(p, &p->found.rows[i], &manifest.files[manifest.n_files++], err);
    if (status == KW_OK) {
        qsort(manifest.files, manifest.n_files, sizeof *manifest.files, by_name);
        status = kw_manifest_put(&manifest, &p->body, err);
    }
    free(manifest.files);
    return status;
}

/* ---- signing and offering ---- */

static kw_status sign(publishing *p, kw_error *err)
{
    const int64_t now = (int64_t)time(NULL);
    uint64_t last = 0;
    kw_secret_key key = {0};
    kw_buf comment = {0};
    KW_TRY(kw_index_seen_version(p->index, p->model, &last, err));
    p->version = now > 0 && (uint64_t)now > last ? (uint64_t)now : last + 1;
    kw_trust_comment(p->model, p->version, now, &comment);
    kw_status status = kw_buf_status(&comment, err);
    if (status == KW_OK)
        status = kw_cli_publisher(p->cli, &p->home, p->cli->parsed.options.key, true, &key, err);
    if (status == KW_OK)
        status = kw_signature_make(&key, (kw_bytes){(const uint8_t *)p->body.data, p->body.len},
                                   comment.data, &p->signature, err);
    kw_secret_key_wipe(&key);
    kw_buf_free(&comment);
    return status;
}

static kw_status write_file(const char *dir, const char *name, const kw_buf *text, kw_error *err)
{
    kw_file_writer *writer;
    char *const path = kw_home_join(dir, name);
    if (!path)
        return kw_fail(err, KW_E_NOMEM, "no memory for a path");
    kw_status status = kw_file_create(path, &writer, err);
    free(path);
    KW_TRY(status);
    status = kw_file_write(writer, text->data, text->len, err);
    const kw_status end = kw_file_finish(writer, status == KW_OK, err);
    return status != KW_OK ? status : end;
}

static kw_status offer(publishing *p, kw_error *err)
{
    const char *const dir = p->cli->parsed.options.out;
    kw_index_manifest m = {.model = p->model,
                           .version = p->version,
                           .body = {p->body.data, p->body.len},
                           .signature = {p->signature.data, p->signature.len},
                           .offered = true,
                           .time = (int64_t)time(NULL)};
    kw_sha256 hash;
    kw_sha256_init(&hash, kw_sha256_kernel(false));
    kw_sha256_update(&hash, p->body.data, p->body.len);
    kw_sha256_final(&hash, m.sha256);
    KW_TRY(kw_index_put_manifest(p->index, &m, err));
    if (!dir)
        return KW_OK;
    KW_TRY(write_file(dir, KW_MANIFEST_FILE, &p->body, err));
    return write_file(dir, KW_SIGNATURE_FILE, &p->signature, err);
}

static kw_status publish(publishing *p, kw_error *err)
{
    KW_TRY(kw_home_open(p->cli, true, &p->home, err));
    KW_TRY(kw_cli_open_index(&p->home, &p->index, err));
    KW_TRY(find_files(p, err));
    KW_TRY(write_manifest(p, err));
    KW_TRY(sign(p, err));
    return offer(p, err);
}

static void tell(publishing *p)
{
    kw_json_writer json = {.out = &p->cli->out, .pretty = true};
    if (!p->cli->parsed.options.json) {
        kw_cli_note(p->cli, "%s is offered: %zu file%s, version %llu", p->model, p->found.n,
                    p->found.n == 1 ? "" : "s", (unsigned long long)p->version);
        return;
    }
    kw_json_open(&json, NULL, '{');
    kw_json_puts(&json, "model", p->model);
    kw_json_int(&json, "version", (int64_t)p->version);
    kw_json_int(&json, "files", (int64_t)p->found.n);
    kw_json_close(&json, '}');
    kw_out_puts(&p->cli->out, "\n");
}

static int run_publish(kw_cli *cli)
{
    kw_error err = {0};
    publishing p = {.cli = cli};
    if (cli->parsed.n_args == 0)
        return kw_cli_usage(cli, "which model?");
    kw_interrupt_watch();
    const kw_status status = publish(&p, &err);
    if (status == KW_OK)
        tell(&p);
    kw_found_free(&p.found);
    kw_buf_free(&p.body);
    kw_buf_free(&p.signature);
    kw_index_close(p.index);
    kw_home_close(&p.home);
    return status == KW_OK ? KW_EXIT_OK : kw_cli_fail_name(cli, status, &err);
}

const kw_command kw_command_publish = {
    .name = "publish",
    .summary = "sign a model's manifest and offer it to peers",
    .usage = "NAME | PATH ORG/NAME",
    .description =
        "Lists the files of a model with their SHA-256, sizes and CIDs, signs the list with the "
        "publisher's key (which is made the first time), and records it as offered: kwaai node "
        "shows it to peers who ask. PATH, a file or directory, becomes the model ORG/NAME; its "
        "files stay where they are. --out DIR writes the manifest and its signature there, too.",
    .examples = "  kwaai publish model.gguf me/model\n"
                "  kwaai publish org/name --out .\n",
    .max_args = 2,
    .run = run_publish,
};
