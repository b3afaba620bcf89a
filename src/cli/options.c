/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* options.c - a command line, the environment and the option table make the values of a command.
 *
 * Rules: --name value, --name=value, -x value, -xvalue, -xy for flags; --no-name clears a flag; --
 * ends the options; - and negative numbers are arguments. Options and arguments may be mixed. */
#include "cli/options.h"

#include "base/check.h"
#include "cli/suggest.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_NAME 48

/* A command line being read. */
typedef struct reader {
    uint64_t command;
    int argc, at;
    char *const *argv;
    kw_parsed *parsed;
    kw_error *err;
} reader;

bool kw_option_takes_value(const kw_option *option)
{
    return option->kind != KW_OPT_FLAG && option->kind != KW_OPT_IGNORED_FLAG;
}

bool kw_option_listed(const kw_option *option)
{
    return option->kind != KW_OPT_IGNORED && option->kind != KW_OPT_IGNORED_FLAG;
}

bool kw_option_shown_negated(const kw_option *option)
{
    return option->kind == KW_OPT_FLAG && option->initial && strcmp(option->initial, "true") == 0;
}

const char *kw_section_title(int section)
{
    static const char *const titles[KW_N_SECTIONS] = {
        "Model", "Types", "Tests", "Input", "Answer", "Sampling", "Machine", "Network", "Output"};
    return titles[section];
}

void kw_option_env_name(const kw_option *option, char *out, size_t size)
{
    const int n = snprintf(out, size, "KWAAI_%s", option->name);
    for (int i = 0; i < n && (size_t)i + 1 < size; i++)
        out[i] = out[i] == '-' ? '_' : (char)toupper((unsigned char)out[i]);
}

/* ---- values ---- */

static kw_status set_flag(int *out, const char *value, const char *shown, kw_error *err)
{
    static const char *const yes[] = {"1", "true", "on", "yes", "enabled"};
    static const char *const no[] = {"0", "false", "off", "no", "disabled"};
    for (size_t i = 0; i < KW_COUNT(yes); i++) {
        if (strcasecmp(value, yes[i]) == 0 || strcasecmp(value, no[i]) == 0) {
            *out = strcasecmp(value, yes[i]) == 0;
            return KW_OK;
        }
    }
    return kw_fail(err, KW_E_ARG, "%s: \"%s\" is neither true nor false", shown, value);
}

static kw_status set_int(const kw_option *option, int64_t *out, const char *value,
                         const char *shown, kw_error *err)
{
    char *end;
    errno = 0;
    const long long number = strtoll(value, &end, 10);
    if (end == value || *end != '\0')
        return kw_fail(err, KW_E_ARG, "%s: \"%s\" is not a whole number", shown, value);
    if (errno == ERANGE || (double)number < option->min || (double)number > option->max)
        return kw_fail(err, KW_E_ARG, "%s: %s is out of range (%.0f to %.0f)", shown, value,
                       option->min, option->max);
    *out = number;
    return KW_OK;
}

static kw_status set_real(const kw_option *option, double *out, const char *value,
                          const char *shown, kw_error *err)
{
    char *end;
    const double number = strtod(value, &end);
    if (end == value || *end != '\0')
        return kw_fail(err, KW_E_ARG, "%s: \"%s\" is not a number", shown, value);
    if (!(number >= option->min && number <= option->max))
        return kw_fail(err, KW_E_ARG, "%s: %s is out of range (%g to %g)", shown, value,
                       option->min, option->max);
    *out = number;
    return KW_OK;
}

static kw_status set_choice(const kw_option *option, const char **out, const char *value,
                            const char *shown, kw_error *err)
{
    const size_t len = strlen(value);
    for (const char *c = option->choices; *c;) {
        const size_t n = strcspn(c, " ");
        if (n == len && memcmp(c, value, n) == 0) {
            *out = value;
            return KW_OK;
        }
        c += n;
        c += strspn(c, " ");
    }
    return kw_fail(err, KW_E_ARG, "%s: \"%s\" is none of: %s", shown, value, option->choices);
}

static kw_status add_text(kw_text_list *list, const char *value, kw_error *err)
{
    const char **items = realloc(list->items, (list->n + 1) * sizeof *items);
    if (!items)
        return kw_fail(err, KW_E_NOMEM, "no memory for %zu texts", list->n + 1);
    items[list->n] = value;
    list->items = items;
    list->n++;
    return KW_OK;
}

/* Stores a value; shown is how the user spelled the option. */
static kw_status assign(const kw_option *option, kw_options *options, const char *value,
                        const char *shown, kw_error *err)
{
    char *field = (char *)options + option->offset;
    switch ((kw_option_kind)option->kind) {
    case KW_OPT_FLAG:
        return set_flag((int *)(void *)field, value, shown, err);
    case KW_OPT_INT:
        return set_int(option, (int64_t *)(void *)field, value, shown, err);
    case KW_OPT_REAL:
        return set_real(option, (double *)(void *)field, value, shown, err);
    case KW_OPT_CHOICE:
        return set_choice(option, (const char **)(void *)field, value, shown, err);
    case KW_OPT_TEXTS:
        return add_text((kw_text_list *)(void *)field, value, err);
    case KW_OPT_TEXT:
    case KW_OPT_PATH:
    case KW_OPT_IGNORED:
    case KW_OPT_IGNORED_FLAG:
        *(const char **)(void *)field = value;
        return KW_OK;
    }
    return KW_OK;
}

/* ---- names ---- */

/* Is word[0..len) one of the option's aliases? *negated: one that clears the flag. */
static bool is_alias(const kw_option *option, const char *word, size_t len, bool *negated)
{
    for (const char *a = option->aliases ? option->aliases : ""; *a;) {
        const bool negates = *a == '!';
        a += negates;
        const size_t n = strcspn(a, " ");
        if (n == len && memcmp(a, word, len) == 0) {
            *negated = negates;
            return true;
        }
        a += n;
        a += strspn(a, " ");
    }
    return false;
}

static bool is_name(const kw_option *option, const char *word, size_t len, bool *negated)
{
    const size_t n = strlen(option->name);
    *negated = false;
    if (len == n + 2 && memcmp(word, "--", 2) == 0 && memcmp(word + 2, option->name, n) == 0)
        return true;
    if (option->kind == KW_OPT_FLAG && len == n + 5 && memcmp(word, "--no-", 5) == 0 &&
        memcmp(word + 5, option->name, n) == 0) {
        *negated = true;
        return true;
    }
    if (len == 2 && word[0] == '-' && option->letter != 0 && word[1] == option->letter)
        return true;
    return is_alias(option, word, len, negated);
}

static const kw_option *find(uint64_t command, const char *word, size_t len, bool *negated)
{
    for (size_t i = 0; i < kw_n_options; i++) {
        if ((kw_option_table[i].commands & command) != 0 &&
            is_name(&kw_option_table[i], word, len, negated))
            return &kw_option_table[i];
    }
    return NULL;
}

/* The flag whose letter this is, or the option that takes the rest of the word as its value. */
static const kw_option *find_letter(uint64_t command, char letter)
{
    for (size_t i = 0; i < kw_n_options; i++) {
        if ((kw_option_table[i].commands & command) != 0 && kw_option_table[i].letter == letter)
            return &kw_option_table[i];
    }
    return NULL;
}

static void consider_aliases(kw_suggestion *s, const kw_option *option, char *out, size_t size)
{
    for (const char *a = option->aliases ? option->aliases : ""; *a;) {
        const size_t n = strcspn(a, " ");
        char alias[MAX_NAME];
        (void)snprintf(alias, sizeof alias, "%.*s", (int)n, a);
        if (n > 2 && a[1] == '-' && kw_suggest_consider(s, alias))
            (void)snprintf(out, size, "%s", alias);
        a += n;
        a += strspn(a, " ");
    }
}

static kw_status unknown(const reader *r, const char *word, size_t len)
{
    char typed[MAX_NAME], name[MAX_NAME], best[MAX_NAME] = "";
    (void)snprintf(typed, sizeof typed, "%.*s", (int)len, word);
    kw_suggestion s;
    kw_suggest_init(&s, typed);
    for (size_t i = 0; i < kw_n_options; i++) {
        const kw_option *option = &kw_option_table[i];
        if ((option->commands & r->command) == 0)
            continue;
        (void)snprintf(name, sizeof name, "--%s", option->name);
        if (kw_suggest_consider(&s, name))
            (void)snprintf(best, sizeof best, "%s", name);
        consider_aliases(&s, option, best, sizeof best);
        (void)snprintf(name, sizeof name, "--no-%s", option->name);
        if (option->kind == KW_OPT_FLAG && kw_suggest_consider(&s, name))
            (void)snprintf(best, sizeof best, "%s", name);
    }
    if (best[0] != '\0')
        return kw_fail(r->err, KW_E_ARG, "unknown option %s; did you mean %s?", typed, best);
    return kw_fail(r->err, KW_E_ARG, "unknown option %s", typed);
}

/* ---- reading ---- */

static kw_status store(reader *r, const kw_option *option, const char *value, const char *shown)
{
    KW_TRY(assign(option, &r->parsed->options, value, shown, r->err));
    r->parsed->source[option - kw_option_table] = KW_FROM_FLAG;
    return KW_OK;
}

/* An option with the text after its '=' (NULL: none), else with the next word. */
static kw_status take(reader *r, const kw_option *option, bool negated, const char *shown,
                      const char *inline_value)
{
    if (!kw_option_takes_value(option)) {
        int on = 1;
        if (inline_value)
            KW_TRY(set_flag(&on, inline_value, shown, r->err));
        return store(r, option, (on != 0) != negated ? "true" : "false", shown);
    }
    if (inline_value)
        return store(r, option, inline_value, shown);
    if (r->at >= r->argc)
        return kw_fail(r->err, KW_E_ARG, "%s needs a value: %s %s", shown, shown, option->meta);
    return store(r, option, r->argv[r->at++], shown);
}

/* -n5, -vi: letters after one dash. */
static kw_status take_letters(reader *r, const char *word)
{
    for (const char *c = word + 1; *c; c++) {
        const char shown[3] = {'-', *c, '\0'};
        const kw_option *option = find_letter(r->command, *c);
        if (!option)
            return unknown(r, word, strlen(word));
        if (kw_option_takes_value(option))
            return take(r, option, false, shown, c[1] != '\0' ? c + 1 : NULL);
        KW_TRY(take(r, option, false, shown, NULL));
    }
    return KW_OK;
}

static kw_status take_option(reader *r, const char *word)
{
    const char *equals = strchr(word, '=');
    const size_t len = equals ? (size_t)(equals - word) : strlen(word);
    bool negated;
    char shown[MAX_NAME];
    (void)snprintf(shown, sizeof shown, "%.*s", (int)len, word);
    const kw_option *option = find(r->command, word, len, &negated);
    if (option)
        return take(r, option, negated, shown, equals ? equals + 1 : NULL);
    if (word[1] != '-')
        return take_letters(r, word);
    return unknown(r, word, len);
}

static bool is_argument(const char *word)
{
    if (word[0] != '-' || word[1] == '\0')
        return true;
    return isdigit((unsigned char)word[1]) || (word[1] == '.' && isdigit((unsigned char)word[2]));
}

static kw_status read_words(reader *r)
{
    bool options_ended = false;
    while (r->at < r->argc) {
        const char *word = r->argv[r->at++];
        if (options_ended || is_argument(word))
            r->parsed->args[r->parsed->n_args++] = word;
        else if (strcmp(word, "--") == 0)
            options_ended = true;
        else
            KW_TRY(take_option(r, word));
    }
    return KW_OK;
}

/* Fills in what no flag said. An empty variable counts as unset. */
static kw_status read_environment(reader *r, kw_env_fn env)
{
    for (size_t i = 0; i < kw_n_options; i++) {
        const kw_option *option = &kw_option_table[i];
        if ((option->commands & r->command) == 0 || !kw_option_listed(option) ||
            r->parsed->source[i] == KW_FROM_FLAG || strcmp(option->name, "help") == 0)
            continue;
        char name[MAX_NAME];
        kw_option_env_name(option, name, sizeof name);
        const char *value = env(name);
        if (!value || value[0] == '\0')
            continue;
        KW_TRY(assign(option, &r->parsed->options, value, name, r->err));
        r->parsed->source[i] = KW_FROM_ENVIRONMENT;
    }
    return KW_OK;
}

kw_status kw_options_parse(uint64_t command, int argc, char *const *argv, kw_env_fn env,
                           kw_parsed *out, kw_error *err)
{
    *out = (kw_parsed){0};
    out->args = calloc((size_t)argc + 1, sizeof *out->args);
    if (!out->args)
        return kw_fail(err, KW_E_NOMEM, "no memory for %d arguments", argc);
    for (size_t i = 0; i < kw_n_options; i++) {
        const kw_option *option = &kw_option_table[i];
        if ((option->commands & command) != 0 && option->initial)
            KW_TRY(assign(option, &out->options, option->initial, option->name, err));
    }
    reader r = {.command = command, .argc = argc, .argv = argv, .parsed = out, .err = err};
    KW_TRY(read_words(&r));
    return read_environment(&r, env);
}

void kw_parsed_free(kw_parsed *parsed)
{
    free(parsed->args);
    for (size_t i = 0; i < kw_n_options; i++) {
        if (kw_option_table[i].kind != KW_OPT_TEXTS)
            continue;
        void *const field = (char *)&parsed->options + kw_option_table[i].offset;
        kw_text_list *const list = field;
        free(list->items);
        *list = (kw_text_list){0}; /* several rows may share it */
    }
    *parsed = (kw_parsed){0};
}

kw_status kw_options_set(uint64_t command, const char *name, const char *value, kw_parsed *parsed,
                         kw_error *err)
{
    char word[MAX_NAME];
    bool negated;
    const char *dashes = strlen(name) == 1 ? "-" : "--";
    const int len = snprintf(word, sizeof word, "%s%s", dashes, name);
    const kw_option *option = len < MAX_NAME ? find(command, word, (size_t)len, &negated) : NULL;
    if (!option || (option->kind != KW_OPT_INT && option->kind != KW_OPT_REAL))
        return kw_fail(err, KW_E_ARG, "nothing named \"%s\" can be set", name);
    KW_TRY(assign(option, &parsed->options, value, name, err));
    parsed->source[option - kw_option_table] = KW_FROM_FLAG;
    return KW_OK;
}

kw_option_source kw_options_source(const kw_parsed *parsed, const char *name)
{
    kw_option_source best = KW_FROM_DEFAULT;
    for (size_t i = 0; i < kw_n_options; i++) {
        if (strcmp(kw_option_table[i].name, name) == 0 && parsed->source[i] > best)
            best = (kw_option_source)parsed->source[i];
    }
    return best;
}

kw_status kw_parse_ints(const char *text, size_t len, int64_t min, int64_t max, const char *subject,
                        int64_t **out, size_t *n, kw_error *err)
{
    size_t capacity = 16, count = 0;
    int64_t *numbers = malloc(capacity * sizeof *numbers);
    kw_status status = numbers ? KW_OK : kw_fail(err, KW_E_NOMEM, "%s: no memory", subject);
    for (size_t i = 0; status == KW_OK && i < len;) {
        if (strchr(" \t\r\n,;[]", text[i])) { /* also the terminator, were there one */
            i++;
            continue;
        }
        char word[24];
        size_t n_word = 0;
        while (i < len && n_word + 1 < sizeof word && !strchr(" \t\r\n,;[]", text[i]))
            word[n_word++] = text[i++];
        word[n_word] = '\0';
        char *end;
        errno = 0;
        const long long number = strtoll(word, &end, 10);
        if (*end != '\0')
            status = kw_fail(err, KW_E_ARG, "%s: \"%s\" is not a whole number", subject, word);
        else if (errno == ERANGE || number < min || number > max)
            status = kw_fail(err, KW_E_ARG, "%s: %s is out of range (%lld to %lld)", subject, word,
                             (long long)min, (long long)max);
        if (status == KW_OK && count == capacity) {
            capacity *= 2;
            int64_t *more = realloc(numbers, capacity * sizeof *numbers);
            status = more ? KW_OK : kw_fail(err, KW_E_NOMEM, "%s: no memory", subject);
            numbers = more ? more : numbers;
        }
        if (status == KW_OK)
            numbers[count++] = number;
    }
    if (status != KW_OK) {
        free(numbers);
        return status;
    }
    *out = numbers;
    *n = count;
    return KW_OK;
}
