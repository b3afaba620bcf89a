/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* du.c - kwaai du: what models take on the disk, store by store. */
#include "cli/commands.h"

#include "cli/net/home.h"
#include "os/dir.h"

#include <stdlib.h>
#include <string.h>

enum { N_OWNERS = KW_OWNER_FOLDER + 1 };

typedef struct seen {
    int64_t id;
    uint64_t bytes;
    bool known;
    uint8_t sha256[32];
} seen;

typedef struct counting {
    uint64_t bytes[N_OWNERS], disk[N_OWNERS];
    size_t n_files[N_OWNERS];
    seen *files; /* each once */
    size_t n, cap;
} counting;

static int by_content(const void *a, const void *b)
{
    const seen *const x = a, *const y = b;
    return x->known != y->known ? (int)y->known - (int)x->known : memcmp(x->sha256, y->sha256, 32);
}

static kw_status remember(counting *c, const kw_index_row *row, kw_error *err)
{
    if (c->n == c->cap) {
        const size_t cap = c->cap == 0 ? 64 : 2 * c->cap;
        seen *const grown = realloc(c->files, cap * sizeof *grown);
        if (!grown)
            return kw_fail(err, KW_E_NOMEM, "no memory for %zu files", cap);
        c->files = grown;
        c->cap = cap;
    }
    seen *const file = &c->files[c->n++];
    *file = (seen){.id = row->id, .bytes = row->state.size, .known = row->hashed || row->claimed};
    if (file->known)
        memcpy(file->sha256, row->hashed ? row->sha256 : row->claim, 32);
    return KW_OK;
}

/* A file with several names counts once. */
static kw_status add_file(void *user, const kw_index_row *row, kw_error *err)
{
    counting *const c = user;
    kw_file_info info;
    for (size_t i = 0; i < c->n; i++)
        if (c->files[i].id == row->id)
            return KW_OK;
    KW_TRY(remember(c, row, err));
    c->n_files[row->owner]++;
    c->bytes[row->owner] += row->state.size;
    if (kw_file_query(row->path, &info, NULL) == KW_OK)
        c->disk[row->owner] += info.disk_bytes;
    return KW_OK;
}

/* Bytes of content that lies in more than one file, but its first. */
static uint64_t repeated(counting *c)
{
    uint64_t bytes = 0;
    if (c->n > 1)
        qsort(c->files, c->n, sizeof *c->files, by_content);
    for (size_t i = 1; i < c->n; i++)
        if (c->files[i].known && by_content(&c->files[i - 1], &c->files[i]) == 0)
            bytes += c->files[i].bytes;
    return bytes;
}

static void print_json(kw_cli *cli, const counting *c, uint64_t twice)
{
    kw_json_writer json = {.out = &cli->out, .pretty = true};
    kw_json_open(&json, NULL, '{');
    kw_json_open(&json, "stores", '[');
    for (int i = 0; i < N_OWNERS; i++) {
        kw_json_open(&json, NULL, '{');
        kw_json_puts(&json, "store", kw_owner_name((kw_owner)i));
        kw_json_int(&json, "files", (int64_t)c->n_files[i]);
        kw_json_int(&json, "bytes", (int64_t)c->bytes[i]);
        kw_json_int(&json, "disk_bytes", (int64_t)c->disk[i]);
        kw_json_close(&json, '}');
    }
    kw_json_close(&json, ']');
    kw_json_int(&json, "repeated_bytes", (int64_t)twice);
    kw_json_close(&json, '}');
    kw_out_puts(&cli->out, "\n");
}

static void print_table(kw_cli *cli, const counting *c, uint64_t twice)
{
    char size[16], disk[16];
    kw_out_printf(&cli->out, "%-12s %6s %10s %10s\n", "store", "files", "size", "on disk");
    for (int i = 0; i < N_OWNERS; i++)
        if (c->n_files[i] > 0)
            kw_out_printf(&cli->out, "%-12s %6zu %10s %10s\n", kw_owner_name((kw_owner)i),
                          c->n_files[i], kw_print_bytes(c->bytes[i], size),
                          kw_print_bytes(c->disk[i], disk));
    if (twice > 0)
        kw_out_printf(&cli->out, "the same content is here more than once: %s\n",
                      kw_print_bytes(twice, size));
}

static int run_du(kw_cli *cli)
{
    kw_error err = {0};
    kw_home home;
    kw_index *index = NULL;
    counting c = {0};
    const kw_index_query all = {0};
    kw_status status = kw_home_open(cli, true, &home, &err);
    if (status != KW_OK)
        return kw_cli_fail(cli, status, &err);
    status = kw_cli_open_index(&home, &index, &err);
    if (status == KW_OK)
        status = kw_index_each(index, &all, add_file, &c, &err);
    if (status == KW_OK) {
        const uint64_t twice = repeated(&c);
        if (cli->parsed.options.json)
            print_json(cli, &c, twice);
        else
            print_table(cli, &c, twice);
    }
    free(c.files);
    kw_index_close(index);
    kw_home_close(&home);
    return status == KW_OK ? KW_EXIT_OK : kw_cli_fail(cli, status, &err);
}

const kw_command kw_command_du = {
    .name = "du",
    .summary = "show what models take on the disk",
    .usage = "",
    .description = "Adds up the files of each store, and says how much of their content is here "
                   "more than once, as far as digests are known.",
    .examples = "  kwaai du\n",
    .max_args = 0,
    .run = run_du,
};
