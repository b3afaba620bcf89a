/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* names.c - walks the tables of a family, forwards (a weight to its name in the file) and backwards
 * (a name in the file to the weight). A pattern has at most two holes: the layer and the expert. */
#include "model/names.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

#define MAX_INDEX 100000

/* A model saved without its head, or as a part of a larger one, lacks these or has them besides. */
static const char *const dropped[] = {"model.", "transformer.", "bert.", "roberta."};
static const char *const added[] = {"language_model."};

static bool is_own_field(const kw_family *family, const char *name)
{
    for (const kw_field *f = family->fields; f->name; f++)
        if (strcmp(f->name, name) == 0)
            return true;
    return false;
}

const kw_field *kw_family_next_field(const kw_family *family, const kw_field *field)
{
    const kw_field *next = field ? field + 1 : family->fields;
    bool own = !field || is_own_field(family, field->name);
    if (own && !next->name) {
        next = family->base_fields;
        own = false;
    }
    while (!own && next && next->name && is_own_field(family, next->name))
        next++;
    return next && next->name ? next : NULL;
}

const kw_alias *kw_family_next_alias(const kw_family *family, const kw_alias *alias)
{
    const kw_alias *next = alias ? alias + 1 : family->aliases;
    if (!next->name && family->base_aliases) {
        const kw_alias *end = family->aliases;
        while (end->name)
            end++;
        if (next == end)
            next = family->base_aliases;
    }
    return next->name ? next : NULL;
}

bool kw_name_expand(const char *pattern, const int index[2], kw_str suffix, char *out, size_t size)
{
    size_t n = 0;
    int hole = 0;
    for (const char *c = pattern; *c && n < size; c++) {
        if (c[0] != '%') {
            out[n++] = *c;
            continue;
        }
        const int wrote = snprintf(out + n, size - n, "%d", index[hole++ > 0]);
        n += wrote > 0 ? (size_t)wrote : size;
        c++; /* the letter after it */
    }
    if (n >= size || suffix.len >= size - n)
        return false;
    memcpy(out + n, suffix.data ? suffix.data : "", suffix.len);
    out[n + suffix.len] = '\0';
    return true;
}

/* Digits at *text, which moves past them; -1 when there are none or too many. */
static int read_index(kw_str *text)
{
    int value = -1;
    while (text->len > 0 && text->data[0] >= '0' && text->data[0] <= '9' && value <= MAX_INDEX) {
        value = KW_MAX(value, 0) * 10 + (text->data[0] - '0');
        text->data++;
        text->len--;
    }
    return value > MAX_INDEX ? -1 : value;
}

bool kw_name_match(const char *pattern, kw_str text, int index[2])
{
    int hole = 0;
    index[0] = index[1] = -1;
    for (; *pattern; pattern++) {
        if (*pattern == '%') {
            const int value = read_index(&text);
            if (value < 0)
                return false;
            index[hole++ > 0] = value;
            pattern++;
            continue;
        }
        if (text.len == 0 || text.data[0] != *pattern)
            return false;
        text.data++;
        text.len--;
    }
    return text.len == 0;
}

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Also when it lacks what the whole model puts before it, or has more. */
static bool match_any(const char *pattern, kw_str text, int index[2])
{
    if (kw_name_match(pattern, text, index))
        return true;
    for (size_t i = 0; i < KW_COUNT(dropped); i++)
        if (begins(pattern, dropped[i]) && kw_name_match(pattern + strlen(dropped[i]), text, index))
            return true;
    for (size_t i = 0; i < KW_COUNT(added); i++) {
        const size_t len = strlen(added[i]);
        if (text.len > len && memcmp(text.data, added[i], len) == 0 &&
            kw_name_match(pattern, (kw_str){text.data + len, text.len - len}, index))
            return true;
    }
    return false;
}

/* What is before the last dot; *suffix is the rest. */
static kw_str split(kw_str name, kw_str *suffix)
{
    size_t dot = name.len;
    while (dot > 0 && name.data[dot - 1] != '.')
        dot--;
    const size_t at = dot > 0 ? dot - 1 : name.len;
    *suffix = (kw_str){name.data + at, name.len - at};
    return (kw_str){name.data, at};
}

const kw_alias *kw_family_alias_to(const kw_family *family, kw_str name)
{
    kw_str suffix;
    int index[2];
    const kw_str stem = split(name, &suffix);
    for (const kw_alias *a = NULL; (a = kw_family_next_alias(family, a));)
        if (kw_name_match(a->name, stem, index))
            return a;
    return NULL;
}

const kw_alias *kw_family_hf_name(const kw_family *family, kw_str name, const char *part, char *out,
                                  size_t size)
{
    kw_str suffix;
    int index[2], found[2] = {-1, -1};
    const kw_str stem = split(name, &suffix);
    const kw_alias *best = NULL;
    for (const kw_alias *a = NULL; (a = kw_family_next_alias(family, a));) {
        const bool preferred = part && strstr(a->hf, part);
        if ((best && !preferred) || !kw_name_match(a->name, stem, index))
            continue;
        best = a;
        memcpy(found, index, sizeof found);
        if (preferred)
            break;
    }
    return best && kw_name_expand(best->hf, found, suffix, out, size) ? best : NULL;
}

const kw_alias *kw_family_alias(const kw_family *family, kw_str name, int index[2], kw_str *suffix)
{
    const kw_str stem = split(name, suffix);
    for (const kw_alias *a = NULL; (a = kw_family_next_alias(family, a));)
        if (match_any(a->hf, stem, index))
            return a;
    return NULL;
}

/* The tensor of a name, or of one that the same weight has in a model saved otherwise. */
static const kw_tensor_view *find_any(const kw_model_file *file, const char *name)
{
    const kw_tensor_view *view = kw_model_file_tensor(file, kw_str_from(name));
    for (size_t i = 0; !view && i < KW_COUNT(dropped); i++)
        if (begins(name, dropped[i]))
            view = kw_model_file_tensor(file, kw_str_from(name + strlen(dropped[i])));
    for (size_t i = 0; !view && i < KW_COUNT(added); i++) {
        char longer[KW_WEIGHT_NAME_BYTES];
        const int n = snprintf(longer, sizeof longer, "%s%s", added[i], name);
        if (n > 0 && (size_t)n < sizeof longer)
            view = kw_model_file_tensor(file, kw_str_from(longer));
    }
    return view;
}

/* Splits "ffn_up.3.weight" into what its pattern is called, "ffn_up.%d", and the number in it. */
static bool to_pattern(int layer, kw_str stem, int index[2], char *out, size_t size)
{
    size_t dot = stem.len;
    while (dot > 0 && stem.data[dot - 1] >= '0' && stem.data[dot - 1] <= '9')
        dot--;
    kw_str digits = {stem.data + dot, stem.len - dot};
    /* A name with a hole says itself where its layer stands. */
    const bool placed = memchr(stem.data, '%', stem.len) != NULL;
    const bool expert = layer >= 0 && dot > 1 && stem.data[dot - 1] == '.' && digits.len > 0;
    index[0] = layer;
    index[1] = expert ? read_index(&digits) : -1;
    const int len = (int)(expert ? dot : stem.len);
    const int n = snprintf(out, size, "%s%.*s%s", layer >= 0 && !placed ? "blk.%d." : "", len,
                           stem.data, expert ? "%d" : "");
    return n > 0 && (size_t)n < size;
}

const kw_tensor_view *kw_net_find_weight(const kw_net *net, int layer, const char *name,
                                         char shown[KW_WEIGHT_NAME_BYTES])
{
    char pattern[KW_WEIGHT_NAME_BYTES], other[KW_WEIGHT_NAME_BYTES];
    const char *dot = strrchr(name, '.');
    const kw_str suffix = kw_str_from(dot ? dot : "");
    const kw_str stem = {name, strlen(name) - suffix.len};
    int index[2];
    bool named = false;
    (void)snprintf(shown, KW_WEIGHT_NAME_BYTES, "%s", name);
    if (!to_pattern(layer, stem, index, pattern, sizeof pattern))
        return NULL;
    if (kw_model_file_names_gguf(net->file)) {
        if (!kw_name_expand(pattern, index, suffix, shown, KW_WEIGHT_NAME_BYTES))
            return NULL;
        return kw_model_file_tensor(net->file, kw_str_from(shown));
    }
    for (const kw_alias *a = NULL; (a = kw_family_next_alias(net->family, a));) {
        if (strcmp(a->name, pattern) != 0 ||
            !kw_name_expand(a->hf, index, suffix, other, sizeof other))
            continue;
        const kw_tensor_view *view = find_any(net->file, other);
        if (view || !named)
            memcpy(shown, other, sizeof other);
        named = true;
        if (view)
            return view;
    }
    return NULL;
}
