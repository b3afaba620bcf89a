/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* trust.c - reading the trust file. */
#include "hub/trust.h"

#include <string.h>

#include "base/check.h"
#include "os/file.h"

const char *kw_policy_name(kw_policy policy)
{
    static const char *const names[] = {"off", "warn", "enforce"};
    return (size_t)policy < KW_COUNT(names) ? names[policy] : "enforce";
}

/* ---- words ---- */

typedef struct lines {
    kw_str left;
    const char *subject;
    size_t n; /* of the line under way */
    kw_trust *out;
    size_t cap_keys, cap_rules;
} lines;

static kw_status bad_line(const lines *l, kw_str word, const char *what, kw_error *err)
{
    return kw_fail(err, KW_E_FORMAT, "%s, line %zu: \"%.*s\" %s", l->subject, l->n, KW_FMT(word),
                   what);
}

/* The next word of a line; empty at its end. */
static kw_str next_word(kw_str *line)
{
    size_t at = 0;
    while (at < line->len && (unsigned char)line->data[at] <= ' ')
        at++;
    size_t end = at;
    while (end < line->len && (unsigned char)line->data[end] > ' ')
        end++;
    const kw_str word = {line->data + at, end - at};
    *line = (kw_str){line->data + end, line->len - end};
    return word;
}

/* One more element; NULL when there are too many or there is no memory. */
static void *grow(kw_arena *arena, void *items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return items;
    const size_t more = KW_MAX(2 * *cap, (size_t)8);
    void *const grown = n < KW_TRUST_ROWS ? kw_arena_array(arena, more, size) : NULL;
    if (grown && n > 0)
        memcpy(grown, items, n * size);
    if (grown)
        *cap = more;
    return grown;
}

/* Why there is not one more of n. */
static kw_status no_more(const lines *l, size_t n, kw_error *err)
{
    if (n < KW_TRUST_ROWS)
        return kw_fail(err, KW_E_NOMEM, "%s, line %zu: no memory for a key or policy", l->subject,
                       l->n);
    return kw_fail(err, KW_E_LIMIT, "%s, line %zu: more than %zu keys or policies", l->subject,
                   l->n, KW_TRUST_ROWS);
}

static const kw_trust_key *key_of_name(const kw_trust *trust, kw_str name)
{
    for (size_t i = 0; i < trust->n_keys; i++)
        if (kw_str_is(name, trust->keys[i].name))
            return &trust->keys[i];
    return NULL;
}

/* ---- lines ---- */

static kw_status read_key(lines *l, kw_str line, kw_error *err)
{
    kw_trust *const out = l->out;
    const kw_str name = next_word(&line), text = next_word(&line);
    kw_trust_key key = {0};
    if (name.len == 0 || text.len == 0 || next_word(&line).len > 0)
        return bad_line(l, name, "wants \"key NAME RWQ...\"", err);
    if (key_of_name(out, name))
        return bad_line(l, name, "is the name of a key already", err);
    const kw_status status = kw_public_key_get(text, &key.key, NULL);
    if (status == KW_E_NOMEM)
        return no_more(l, 0, err);
    if (status != KW_OK)
        return bad_line(l, text, "is no public key of minisign", err);
    kw_trust_key *const keys =
        grow(&out->arena, out->keys, out->n_keys, &l->cap_keys, sizeof *keys);
    key.name = kw_arena_strdup(&out->arena, name);
    if (!keys || !key.name)
        return no_more(l, out->n_keys, err);
    out->keys = keys;
    out->keys[out->n_keys++] = key;
    return KW_OK;
}

static bool policy_of(kw_str word, kw_policy *out)
{
    for (int p = KW_POLICY_OFF; p <= KW_POLICY_ENFORCE; p++) {
        *out = (kw_policy)p;
        if (kw_str_is(word, kw_policy_name(*out)))
            return true;
    }
    return false;
}

static kw_status read_rule_keys(lines *l, kw_str line, kw_trust_rule *rule, kw_error *err)
{
    size_t cap = 0;
    for (;;) {
        const kw_str name = next_word(&line);
        if (name.len == 0)
            return KW_OK;
        const char **const keys =
            grow(&l->out->arena, rule->keys, rule->n_keys, &cap, sizeof *keys);
        const char *const copy = kw_arena_strdup(&l->out->arena, name);
        if (!keys || !copy)
            return no_more(l, rule->n_keys, err);
        rule->keys = keys;
        rule->keys[rule->n_keys++] = copy;
    }
}

static kw_status read_policy(lines *l, kw_str line, kw_error *err)
{
    kw_trust *const out = l->out;
    const kw_str pattern = next_word(&line), word = next_word(&line);
    kw_trust_rule rule = {0};
    if (pattern.len == 0 || word.len == 0)
        return bad_line(l, pattern, "wants \"policy PATTERN off|warn|enforce [KEY...]\"", err);
    if (!policy_of(word, &rule.policy))
        return bad_line(l, word, "is no policy: they are off, warn, enforce", err);
    KW_TRY(read_rule_keys(l, line, &rule, err));
    kw_trust_rule *const rules =
        grow(&out->arena, out->rules, out->n_rules, &l->cap_rules, sizeof *rules);
    rule.pattern = kw_arena_strdup(&out->arena, pattern);
    if (!rules || !rule.pattern)
        return no_more(l, out->n_rules, err);
    out->rules = rules;
    out->rules[out->n_rules++] = rule;
    return KW_OK;
}

static kw_status read_line(lines *l, kw_str line, kw_error *err)
{
    const char *const comment = line.len > 0 ? memchr(line.data, '#', line.len) : NULL;
    if (line.len > 0 && memchr(line.data, '\0', line.len))
        return bad_line(l, (kw_str){0}, "a zero byte", err);
    if (comment)
        line.len = (size_t)(comment - line.data);
    const kw_str word = next_word(&line);
    if (word.len == 0)
        return KW_OK;
    if (kw_str_is(word, "key"))
        return read_key(l, line, err);
    if (kw_str_is(word, "policy"))
        return read_policy(l, line, err);
    return bad_line(l, word, "is neither key nor policy", err);
}

/* Keys may stand below the rules that name them. */
static kw_status check_rules(const kw_trust *trust, const char *subject, kw_error *err)
{
    for (size_t i = 0; i < trust->n_rules; i++)
        for (size_t k = 0; k < trust->rules[i].n_keys; k++)
            if (!key_of_name(trust, kw_str_from(trust->rules[i].keys[k])))
                return kw_fail(err, KW_E_FORMAT,
                               "%s: policy %.100s names the key %.100s, which is "
                               "not there",
                               subject, trust->rules[i].pattern, trust->rules[i].keys[k]);
    return KW_OK;
}

static kw_status read_lines(lines *l, kw_error *err)
{
    while (l->left.len > 0) {
        const char *const end = memchr(l->left.data, '\n', l->left.len);
        const size_t len = end ? (size_t)(end - l->left.data) : l->left.len;
        const kw_str line = {l->left.data, len};
        const size_t taken = len + (end != NULL);
        l->n++;
        l->left = (kw_str){l->left.data + taken, l->left.len - taken};
        KW_TRY(read_line(l, line, err));
    }
    return check_rules(l->out, l->subject, err);
}

kw_status kw_trust_get(kw_str text, const char *subject, kw_trust *out, kw_error *err)
{
    lines l = {.left = text, .subject = subject, .out = out};
    *out = (kw_trust){0};
    if (text.len > KW_TRUST_FILE_MAX)
        return kw_fail(err, KW_E_LIMIT, "%s: %zu bytes, the limit is %zu", subject, text.len,
                       KW_TRUST_FILE_MAX);
    const kw_status status = read_lines(&l, err);
    if (status != KW_OK)
        kw_trust_free(out);
    return status;
}

kw_status kw_trust_read(const char *path, kw_trust *out, bool *there, kw_error *err)
{
    kw_map map;
    *out = (kw_trust){0};
    *there = kw_file_exists(path);
    if (!*there)
        return KW_OK;
    KW_TRY(kw_map_open(path, true, &map, err)); /* a copy: an editor may shorten it meanwhile */
    const kw_status status =
        kw_trust_get((kw_str){(const char *)map.data, map.len}, path, out, err);
    kw_map_close(&map);
    return status;
}

void kw_trust_free(kw_trust *trust)
{
    kw_arena_free(&trust->arena);
    *trust = (kw_trust){0};
}
