/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* reference.c - names of models elsewhere, and of what they become here. */
#include "hub/reference.h"

#include <stdio.h>

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* Cuts at the first c; the whole text and an empty rest when there is none. */
static bool cut(kw_str text, char c, kw_str *head, kw_str *rest)
{
    const char *const at = text.len > 0 ? memchr(text.data, c, text.len) : NULL;
    *head = at ? (kw_str){text.data, (size_t)(at - text.data)} : text;
    *rest = at ? (kw_str){at + 1, text.len - head->len - 1} : (kw_str){text.data + text.len, 0};
    return at != NULL;
}

/* The last part of a path. */
static kw_str base_name(kw_str path)
{
    size_t begin = path.len;
    while (begin > 0 && path.data[begin - 1] != '/')
        begin--;
    return (kw_str){path.data + begin, path.len - begin};
}

bool kw_path_is_safe(kw_str path)
{
    if (path.len == 0 || path.len > KW_REF_NAME_MAX)
        return false;
    bool begins = true;
    for (size_t i = 0; i < path.len; i++) {
        const uint8_t c = (uint8_t)path.data[i];
        if (c < 0x20 || c == 0x7f || c == '\\' || (begins && (c == '/' || c == '.')))
            return false;
        begins = c == '/';
    }
    return !begins;
}

bool kw_name_is_safe(kw_str name)
{
    size_t n_parts = 1;
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '/')
            n_parts++;
        else if (!is_plain(name.data[i]))
            return false;
    }
    return n_parts <= 3 && kw_path_is_safe(name);
}

void kw_url_escape(kw_buf *out, kw_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.data[i];
        if (is_plain(c) || c == '~' || c == '/')
            kw_buf_add(out, &c, 1);
        else
            kw_buf_printf(out, "%%%02X", (unsigned)(uint8_t)c);
    }
}

static kw_status set(char *out, size_t size, kw_str text, kw_error *err)
{
    if (text.len >= size)
        return kw_fail(err, KW_E_ARG, "name: \"%.*s\" is longer than %zu bytes", KW_FMT(text),
                       size - 1);
    memcpy(out, text.data, text.len);
    out[text.len] = 0;
    return KW_OK;
}
#define SET(field, text) KW_TRY(set((field), sizeof(field), (text), err))

/* ORG/NAME[:FILE] */
static kw_status parse_huggingface(kw_str text, kw_reference *out, kw_error *err)
{
    kw_str repo, file;
    const bool with_file = cut(text, ':', &repo, &file);
    kw_str org, name;
    if (!cut(repo, '/', &org, &name) || memchr(name.data, '/', name.len) || !kw_name_is_safe(repo))
        return kw_fail(err, KW_E_ARG,
                       "name: \"%.*s\" is not ORG/NAME of letters, digits, \"-\", \"_\", \".\"",
                       KW_FMT(repo));
    if (with_file && !kw_path_is_safe(file))
        return kw_fail(err, KW_E_ARG, "name: \"%.*s\" cannot be a file of a model", KW_FMT(file));
    out->kind = KW_REF_HUGGINGFACE;
    SET(out->repo, repo);
    SET(out->model, repo);
    SET(out->file, file);
    return KW_OK;
}

/* What stands behind https://huggingface.co/: ORG/NAME[/resolve/REVISION/FILE]. */
static kw_status parse_huggingface_page(kw_str path, kw_reference *out, kw_error *err)
{
    kw_str org, name, kind, revision, rest;
    cut(path, '/', &org, &rest);
    cut(rest, '/', &name, &rest);
    const kw_str repo = {org.data, (size_t)(name.data - org.data) + name.len};
    KW_TRY(parse_huggingface(repo, out, err));
    if (rest.len == 0)
        return KW_OK;
    cut(rest, '/', &kind, &rest);
    cut(rest, '/', &revision, &rest);
    kw_str file, query;
    cut(rest, '?', &file, &query);
    const bool known = kw_str_is(kind, "resolve") || kw_str_is(kind, "blob") ||
                       (kw_str_is(kind, "tree") && file.len == 0);
    if (!known || !kw_path_is_safe(revision) || (file.len > 0 && !kw_path_is_safe(file)))
        return kw_fail(err, KW_E_ARG, "name: \"%.*s\" is not a page of a model or its file",
                       KW_FMT(path));
    SET(out->revision, revision);
    SET(out->file, file);
    return KW_OK;
}

/* [NAMESPACE/]NAME[:TAG] */
static kw_status parse_ollama(kw_str text, kw_reference *out, kw_error *err)
{
    kw_str repo, tag;
    const bool with_tag = cut(text, ':', &repo, &tag);
    const bool bare = !memchr(repo.data, '/', repo.len);
    if (!with_tag)
        tag = KW_STR("latest");
    char full[KW_REF_NAME_MAX + 1];
    snprintf(full, sizeof(full), "%s%.*s", bare ? "library/" : "", KW_FMT(repo));
    if (!kw_name_is_safe(repo) || !kw_name_is_safe(kw_str_from(full)) || !kw_name_is_safe(tag) ||
        memchr(tag.data, '/', tag.len) || repo.len + tag.len > KW_REF_NAME_MAX - 16)
        return kw_fail(err, KW_E_ARG, "name: \"%.*s\" is not NAMESPACE/NAME:TAG", KW_FMT(text));
    out->kind = KW_REF_OLLAMA;
    SET(out->repo, kw_str_from(full));
    SET(out->file, tag);
    /* A store has at most three parts. */
    snprintf(full, sizeof(full), "%s%.*s/%.*s", bare ? "library/" : "", KW_FMT(repo), KW_FMT(tag));
    if (!kw_name_is_safe(kw_str_from(full)))
        return kw_fail(err, KW_E_ARG, "name: \"%.*s\" is not NAMESPACE/NAME:TAG", KW_FMT(text));
    SET(out->model, kw_str_from(full));
    return KW_OK;
}

/* The stem of a file name. */
static kw_str stem(kw_str file)
{
    size_t end = file.len;
    while (end > 0 && file.data[end - 1] != '.')
        end--;
    return end > 1 ? (kw_str){file.data, end - 1} : file;
}

/* text, what a name may not have as "_". */
static void plain(char *out, size_t size, kw_str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len && n + 1 < size; i++) {
        const char c = text.data[i];
        if (n > 0 || c != '.')
            out[n++] = is_plain(c) ? c : '_';
    }
    if (n == 0)
        out[n++] = '_';
    out[n] = 0;
}

static kw_status parse_url(kw_str url, kw_str rest, kw_reference *out, kw_error *err)
{
    kw_str host, path, query;
    cut(rest, '/', &host, &path);
    cut(path, '?', &path, &query);
    const kw_str file = base_name(path);
    for (size_t i = 0; i < url.len; i++) {
        if ((uint8_t)url.data[i] <= ' ' || url.data[i] == 0x7f)
            return kw_fail(err, KW_E_ARG, "name: a URL has no blanks");
    }
    if (host.len == 0 || memchr(host.data, '@', host.len))
        return kw_fail(err, KW_E_ARG, "name: \"%.*s\" has no host, or a password in it",
                       KW_FMT(url));
    char site[80], title[100];
    kw_str name, port;
    cut(host, ':', &name, &port);
    plain(site, sizeof(site), name);
    plain(title, sizeof(title), stem(file));
    out->kind = KW_REF_URL;
    SET(out->url, url);
    snprintf(out->model, sizeof(out->model), "%s/%s", site, title);
    plain(out->file, sizeof(out->file), file);
    return KW_OK;
}

/* CID[/FILE] */
static kw_status parse_ipfs(kw_str text, kw_reference *out, kw_error *err)
{
    kw_str cid, file;
    cut(text, '/', &cid, &file);
    if (!kw_name_is_safe(cid) || (file.len > 0 && !kw_path_is_safe(file)))
        return kw_fail(err, KW_E_ARG, "name: \"%.*s\" is not CID or CID/FILE", KW_FMT(text));
    out->kind = KW_REF_IPFS;
    SET(out->repo, cid);
    SET(out->file, file);
    snprintf(out->model, sizeof(out->model), "ipfs/%.100s", out->repo);
    return KW_OK;
}

static bool skip(kw_str *text, const char *prefix)
{
    const kw_str p = kw_str_from(prefix);
    if (!kw_str_starts(*text, p))
        return false;
    text->data += p.len;
    text->len -= p.len;
    return true;
}

/* A name without an address before it: one of Hugging Face. Says what else was perhaps meant. */
static kw_status parse_bare(kw_str text, kw_reference *out, kw_error *err)
{
    if (text.len == 0)
        return kw_fail(err, KW_E_ARG, "name: it is empty");
    if (!memchr(text.data, '/', text.len))
        return kw_fail(err, KW_E_ARG,
                       "name: \"%.*s\" is not ORG/NAME; one of Ollama's is ollama.com/%.*s",
                       KW_FMT(text), KW_FMT(text));
    kw_str scheme, rest;
    if (cut(text, ':', &scheme, &rest) && kw_str_starts(rest, KW_STR("//")))
        return kw_fail(err, KW_E_ARG, "name: \"%.*s\" is no address of http, https or ipfs",
                       KW_FMT(text));
    return parse_huggingface(text, out, err);
}

kw_status kw_reference_parse(kw_str text, kw_reference *out, kw_error *err)
{
    kw_reference ref = {0};
    kw_str rest = text;
    kw_status status;
    if (skip(&rest, "https://huggingface.co/") || skip(&rest, "https://hf.co/"))
        status = parse_huggingface_page(rest, &ref, err);
    else if (skip(&rest, "ipfs://") || skip(&rest, "/ipfs/"))
        status = parse_ipfs(rest, &ref, err);
    else if (skip(&rest, "https://ollama.com/") || skip(&rest, "ollama.com/") ||
             skip(&rest, "registry.ollama.ai/"))
        status = parse_ollama(rest, &ref, err);
    else if (skip(&rest, "https://") || skip(&rest, "http://"))
        status = parse_url(text, rest, &ref, err);
    else {
        if (!skip(&rest, "hf.co/"))
            (void)skip(&rest, "huggingface.co/");
        status = parse_bare(rest, &ref, err);
    }
    if (status == KW_OK)
        *out = ref;
    return status;
}
