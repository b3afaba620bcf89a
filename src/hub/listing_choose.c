/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* listing_choose.c - which files of a repository are wanted, and asking for the list.
 *
 * Names of quantisations are parts of file names and compared without regard to case. A split file
 * is NAME-00001-of-00003.gguf: all parts of a name are one. */
#include "hub/listing.h"

#include <stdio.h>
#include <stdlib.h>

#define PAGES_MAX 64

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    if (n < m)
        return false;
    for (size_t i = 0; i < m; i++) {
        if (lower(text[n - m + i]) != end[i])
            return false;
    }
    return true;
}

static bool is_word(char c)
{
    c = lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Whether word is in text with neither a letter nor a digit beside it. */
static bool has_word(const char *text, const char *word)
{
    const size_t n = strlen(text), m = strlen(word);
    for (size_t at = 0; m > 0 && at + m <= n; at++) {
        size_t i = 0;
        while (i < m && lower(text[at + i]) == lower(word[i]))
            i++;
        if (i == m && (at == 0 || !is_word(text[at - 1])) && !is_word(text[at + m]))
            return true;
    }
    return false;
}

/* The name without what says which part it is: its length, and the end behind it. */
static size_t stem_of(const char *name)
{
    static const char part[] = "-00000-of-00000.gguf";
    const size_t n = strlen(name), m = sizeof(part) - 1;
    if (n < m || !ends_with(name, ".gguf"))
        return n;
    for (size_t i = 0; i < m; i++) {
        const char c = lower(name[n - m + i]);
        if (part[i] == '0' ? c < '0' || c > '9' : c != part[i])
            return n;
    }
    return n - m;
}

static bool same_model(const char *a, const char *b)
{
    const size_t n = stem_of(a);
    return n == stem_of(b) && memcmp(a, b, n) == 0;
}

static bool is_projector(const char *name)
{
    return strstr(name, "mmproj") != NULL;
}

/* Keeps the files for which keep is set. */
static void keep_only(kw_listing *listing, const bool *keep)
{
    size_t n = 0;
    for (size_t i = 0; i < listing->n; i++) {
        if (keep[i])
            listing->files[n++] = listing->files[i];
    }
    listing->n = n;
}

/* The GGUF file that has the word in its name; NULL: none. In several the shortest name wins. */
static const kw_listed *find_gguf(const kw_listing *listing, const char *word)
{
    const kw_listed *best = NULL;
    for (size_t i = 0; i < listing->n; i++) {
        const kw_listed *const f = &listing->files[i];
        if (!ends_with(f->name, ".gguf") || is_projector(f->name) ||
            (word && !has_word(f->name, word)))
            continue;
        if (!best || (!same_model(f->name, best->name) && strlen(f->name) < strlen(best->name)))
            best = f;
    }
    return best;
}

static const kw_listed *choose_gguf(const kw_listing *listing, const char *what)
{
    static const char *const usual[] = {"Q4_K_M", "Q4_0", "Q4_K_S", "Q5_K_M", "Q8_0"};
    if (what[0])
        return find_gguf(listing, what);
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        const kw_listed *const f = find_gguf(listing, usual[i]);
        if (f)
            return f;
    }
    return find_gguf(listing, NULL);
}

static bool has_kind(const kw_listing *listing, const char *end)
{
    for (size_t i = 0; i < listing->n; i++) {
        if (ends_with(listing->files[i].name, end))
            return true;
    }
    return false;
}

/* What a directory needs to run: weights of one kind, and all small texts beside them. */
static bool is_of_directory(const char *name, const char *weights)
{
    static const char *const ends[] = {".json", ".model", ".txt", ".jinja", ".tiktoken"};
    if (strchr(name, '/'))
        return false;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (ends_with(name, ends[i]))
            return true;
    }
    return ends_with(name, weights);
}

static kw_status none(const kw_listing *listing, const char *what, kw_error *err)
{
    char names[160] = "";
    size_t len = 0;
    for (size_t i = 0; i < listing->n && len < sizeof(names); i++) {
        if (!ends_with(listing->files[i].name, ".gguf"))
            continue;
        const int n = snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "",
                               listing->files[i].name);
        len += n > 0 ? (size_t)n : 0;
    }
    return kw_fail(err, KW_E_NOTFOUND, "no file \"%.60s\" is there%s%.120s", what,
                   names[0] ? "; there are " : "", names);
}

kw_status kw_listing_choose(kw_listing *listing, const char *what, kw_error *err)
{
    bool *const keep = calloc(listing->n + 1, sizeof(*keep));
    if (!keep)
        return kw_fail(err, KW_E_NOMEM, "list of files: no memory");
    bool any = false;
    for (size_t i = 0; i < listing->n; i++)
        any |= keep[i] = strcmp(listing->files[i].name, what) == 0;
    const kw_listed *const gguf = any ? NULL : choose_gguf(listing, what);
    for (size_t i = 0; i < listing->n && gguf; i++)
        any |= keep[i] = same_model(listing->files[i].name, gguf->name);
    const char *const weights = has_kind(listing, ".safetensors") ? ".safetensors" : ".bin";
    for (size_t i = 0; i < listing->n && !any && !what[0]; i++)
        keep[i] = is_of_directory(listing->files[i].name, weights);
    for (size_t i = 0; i < listing->n; i++)
        any |= keep[i];
    const kw_status status = any ? KW_OK : none(listing, what, err);
    if (any)
        keep_only(listing, keep);
    free(keep);
    return status;
}

/* ---- asking ---- */

static kw_status read_json(const kw_listing_source *with, const char *url, const char *accept,
                           kw_buf *out, kw_web_reply *reply, kw_error *err)
{
    const kw_web_document document = {.url = url,
                                      .accept = accept,
                                      .token = with->token,
                                      .max = KW_LISTING_BYTES_MAX,
                                      .still = with->still,
                                      .user = with->user};
    return kw_web_read(with->web, &document, out, reply, err);
}

static kw_str text_of(const kw_buf *buf)
{
    return (kw_str){buf->data, buf->len};
}

/* The pages of a tree, which name the next one. */
static kw_status read_pages(const kw_listing_source *with, const char *endpoint, kw_buf *url,
                            kw_listing *out, kw_error *err)
{
    kw_buf json = {0};
    kw_status status = KW_OK;
    for (int page = 0; page < PAGES_MAX && status == KW_OK; page++) {
        kw_web_reply reply;
        status = read_json(with, url->data, "application/json", &json, &reply, err);
        if (status == KW_OK)
            status = kw_listing_huggingface(text_of(&json), out, err);
        if (status != KW_OK || !reply.next[0])
            break;
        if (!kw_web_same_origin(reply.next, endpoint)) {
            status = kw_fail(err, KW_E_FORMAT, "huggingface: the next page is at \"%.100s\"",
                             reply.next);
            break;
        }
        url->len = 0;
        kw_buf_printf(url, "%s", reply.next);
        status = kw_buf_status(url, err);
    }
    kw_buf_free(&json);
    return status;
}

static kw_status set_url(kw_listed *file, const kw_buf *url, kw_error *err)
{
    if (!file || url->failed || !url->data || url->len > KW_REF_URL_MAX)
        return kw_fail(err, KW_E_LIMIT, "list of files: a URL of %zu bytes", url->len);
    memcpy(file->url, url->data, url->len + 1);
    return KW_OK;
}

/* ENDPOINT/REPO/resolve/COMMIT/FILE */
static kw_status name_files(const char *endpoint, const kw_reference *ref, kw_listing *out,
                            kw_error *err)
{
    kw_buf url = {0};
    kw_status status = KW_OK;
    for (size_t i = 0; i < out->n && status == KW_OK; i++) {
        url.len = 0;
        kw_buf_printf(&url, "%s/%s/resolve/%s/", endpoint, ref->repo, out->revision);
        kw_url_escape(&url, kw_str_from(out->files[i].name));
        status = set_url(&out->files[i], &url, err);
    }
    kw_buf_free(&url);
    return status;
}

static kw_status list_huggingface(const kw_listing_source *with, const kw_reference *ref,
                                  kw_listing *out, kw_error *err)
{
    const char *const endpoint = with->endpoint ? with->endpoint : "https://huggingface.co";
    const char *revision = ref->revision[0] ? ref->revision : "main";
    kw_buf url = {0}, json = {0};
    if (with->revision)
        revision = with->revision;
    kw_buf_printf(&url, "%s/api/models/%s/revision/", endpoint, ref->repo);
    kw_url_escape(&url, kw_str_from(revision));
    kw_status status = kw_buf_status(&url, err);
    if (status == KW_OK)
        status = read_json(with, url.data, "application/json", &json, NULL, err);
    if (status == KW_OK)
        status = kw_listing_commit(text_of(&json), out->revision, sizeof(out->revision), err);
    url.len = 0;
    kw_buf_printf(&url, "%s/api/models/%s/tree/%s?recursive=true", endpoint, ref->repo,
                  out->revision);
    if (status == KW_OK)
        status = kw_buf_status(&url, err);
    if (status == KW_OK)
        status = read_pages(with, endpoint, &url, out, err);
    kw_buf_free(&url);
    kw_buf_free(&json);
    KW_TRY(status);
    KW_TRY(kw_listing_choose(out, ref->file, err));
    return name_files(endpoint, ref, out, err);
}

/* ENDPOINT/v2/REPO/blobs/DIGEST */
static kw_status name_layers(const char *endpoint, const kw_reference *ref, kw_listing *out,
                             kw_error *err)
{
    kw_buf url = {0};
    kw_status status = KW_OK;
    for (size_t i = 0; i < out->n && status == KW_OK; i++) {
        url.len = 0;
        kw_buf_printf(&url, "%s/v2/%s/blobs/%s", endpoint, ref->repo, out->files[i].url);
        status = set_url(&out->files[i], &url, err);
    }
    kw_buf_free(&url);
    return status;
}

static kw_status list_ollama(const kw_listing_source *with, const kw_reference *ref,
                             kw_listing *out, kw_error *err)
{
    const char *const endpoint = with->endpoint ? with->endpoint : "https://registry.ollama.ai";
    kw_buf url = {0}, json = {0};
    kw_buf_printf(&url, "%s/v2/%s/manifests/%s", endpoint, ref->repo, ref->file);
    kw_status status = kw_buf_status(&url, err);
    if (status == KW_OK)
        status = read_json(with, url.data, "application/vnd.docker.distribution.manifest.v2+json",
                           &json, NULL, err);
    if (status == KW_OK)
        status = kw_listing_ollama(text_of(&json), out, err);
    kw_buf_free(&url);
    kw_buf_free(&json);
    KW_TRY(status);
    return name_layers(endpoint, ref, out, err);
}

kw_status kw_resolve_listing(const kw_listing_source *with, const kw_reference *ref,
                             kw_listing *out, kw_error *err)
{
    switch (ref->kind) {
    case KW_REF_HUGGINGFACE:
        return list_huggingface(with, ref, out, err);
    case KW_REF_OLLAMA:
        return list_ollama(with, ref, out, err);
    case KW_REF_URL:
    case KW_REF_IPFS:
        break;
    }
    return kw_fail(err, KW_E_ARG, "\"%.100s\" has no list of files", ref->model);
}
