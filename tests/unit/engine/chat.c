/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* chat.c - conversations written with a template, what a template sees, where it is found, and a
 * session that keeps what it has read of a conversation. */
#include "engine_test.h"

#include "engine/engine.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static kw_chat new_chat(const kw_chat_message *messages, size_t n, const char *source)
{
    kw_chat chat;
    kw_chat_init(&chat);
    chat.messages = messages;
    chat.n_messages = n;
    chat.source = source;
    return chat;
}

static void expect_text(const kw_model *model, const kw_chat *chat, const char *want)
{
    kw_error err = {0};
    char *text = NULL;
    size_t len = 0;
    must(kw_chat_apply(model, chat, &text, &len, &err), &err);
    assert_string_equal(text, want);
    assert_int_equal(len, strlen(want));
    kw_free(text);
}

static void expect_error(const kw_model *model, const kw_chat *chat, kw_status status,
                         const char *words)
{
    kw_error err = {0};
    char *text = NULL;
    assert_int_equal(kw_chat_apply(model, chat, &text, NULL, &err), status);
    assert_null(text);
    if (!strstr(err.message, words))
        fail_msg("\"%s\" does not say \"%s\"", err.message, words);
}

static void conversations_are_written(void **state)
{
    rig m = open_script(hello_script, 64);
    const kw_chat_message two[] = {{"user", "a\"b", 0}, {"assistant", "c rest", 1}};
    static const char each[] =
        "{{ bos_token }}{% for m in messages %}[{{ m.role }}:{{ m.content }}]"
        "{% endfor %}{{ eos_token }}{{ add_generation_prompt }}{{ tools }}";
    kw_chat chat = new_chat(two, 2, each);
    (void)state;
    expect_text(m.model, &chat, "<s>[user:a\"b][assistant:c]</s>TrueNone");
    chat.no_generation_prompt = true;
    chat.tools_json = " [{\"name\": \"f\"}] ";
    expect_text(m.model, &chat, "<s>[user:a\"b][assistant:c]</s>False[{'name': 'f'}]");
    chat = new_chat(NULL, 0, "{{ messages|tojson }}{{ think }}{{ strftime_now('%Y') }}");
    chat.messages_json = "[{\"role\": \"user\", \"content\": [1, null]}]";
    chat.variables_json = " { \"think\" : true, \"messages\": 5 } ";
    expect_text(m.model, &chat, "[{\"role\": \"user\", \"content\": [1, null]}]True1970");
    chat.variables_json = "{}";
    chat.now_s = 1753967261;
    expect_text(m.model, &chat, "[{\"role\": \"user\", \"content\": [1, null]}]2025");
    chat = new_chat(NULL, 0, "");
    expect_text(m.model, &chat, "");
    close_rig(&m);
}

static void what_is_wrong_is_said(void **state)
{
    rig m = open_script(hello_script, 64);
    kw_chat chat = new_chat(NULL, 0, NULL);
    (void)state;
    expect_error(m.model, &chat, KW_E_NOTFOUND, "has no chat template");
    chat.source = "{{ raise_exception('roles') }}";
    expect_error(m.model, &chat, KW_E_ARG, "refuses these messages: roles");
    chat.source = "x";
    chat.tools_json = "{}";
    expect_error(m.model, &chat, KW_E_FORMAT, "chat tools");
    chat.tools_json = "[], \"messages\": [1]";
    expect_error(m.model, &chat, KW_E_FORMAT, "chat tools");
    chat.tools_json = NULL;
    chat.variables_json = "{}}";
    expect_error(m.model, &chat, KW_E_FORMAT, "chat variables");
    chat.struct_size = 1;
    expect_error(m.model, &chat, KW_E_ARG, "another library's size");
    expect_error(m.model, NULL, KW_E_ARG, "no chat");
    close_rig(&m);
}

/* ---- named templates ---- */

static void named_templates_are_chosen(void **state)
{
    tiny t = tiny_random(KW_Q4_0);
    kw_engine *engine = new_engine(1, 0);
    kw_chat chat = new_chat(NULL, 0, NULL);
    (void)state;
    tiny_set(&t, "tokenizer.chat_template", kw_gguf_string(KW_STR("d")));
    tiny_set(&t, "tokenizer.chat_template.tool_use", kw_gguf_string(KW_STR("t")));
    kw_model *model = load_tiny(engine, &t);
    expect_text(model, &chat, "d");
    chat.tools_json = "[]";
    expect_text(model, &chat, "t");
    chat.template_name = "default";
    expect_text(model, &chat, "d");
    chat.template_name = "rag";
    expect_error(model, &chat, KW_E_NOTFOUND, "called \"rag\": there are default, tool_use");
    chat.source = "own";
    expect_text(model, &chat, "own");
    assert_string_equal(kw_model_chat_template_name(model, 1), "tool_use");
    assert_null(kw_model_chat_template_name(model, 2));
    kw_model_close(model);
    kw_engine_close(engine);
}

/* ---- files ---- */

static void put(const char *dir, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s%s", dir, name);
    if (!text) {
        remove(path);
        return;
    }
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Under a name; want is NULL when there is to be none. */
static void expect_named(const char *dir, const char *name, const char *want)
{
    kw_error err = {0};
    kw_chat_templates found = {0};
    must(kw_chat_templates_read(dir, &found, &err), &err);
    const kw_chat_template *chat = kw_chat_templates_find(&found, name);
    if (want)
        assert_string_equal(chat->source, want);
    else
        assert_null(chat);
    kw_chat_templates_free(&found);
}

static void expect_found(const char *dir, const char *want)
{
    expect_named(dir, "default", want);
}

static void templates_are_found_beside_the_weights(void **state)
{
    static const char config[] = "tokenizer_config.json";
    char dir[] = "/tmp/kw-chat-XXXXXX", slashed[64], more[128];
    kw_error err = {0};
    kw_chat_templates none = {0};
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(slashed, sizeof slashed, "%s/", dir);
    expect_found(slashed, NULL);
    put(slashed, config, "{\"bos_token\": \"<s>\"}");
    expect_found(slashed, NULL);
    put(slashed, config, "{\"chat_template\": \"a\\nb\"}");
    expect_found(slashed, "a\nb");
    put(slashed, config,
        "{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"t\"},"
        " {\"name\": \"default\", \"template\": \"d\"}]}");
    expect_found(slashed, "d");
    expect_named(slashed, "tool_use", "t");
    expect_named(slashed, "rag", NULL);
    put(slashed, config, "{\"chat_template\": {\"rag\": \"r\"}}");
    expect_found(slashed, NULL);
    expect_named(slashed, "rag", "r");
    put(slashed, "chat_template.json", "{\"chat_template\": \"j\"}");
    expect_found(slashed, "j");
    put(slashed, "chat_template.jinja", "x\n");
    expect_found(slashed, "x\n");
    expect_named(slashed, "rag", NULL);
    snprintf(more, sizeof more, "%sadditional_chat_templates", slashed);
    assert_int_equal(mkdir(more, 0700), 0);
    put(more, "/rag.jinja", "r2");
    expect_named(slashed, "rag", "r2");
    expect_found(slashed, "x\n");
    put(more, "/rag.jinja", NULL);
    assert_int_equal(rmdir(more), 0);
    put(slashed, "chat_template.jinja", NULL);
    put(slashed, "chat_template.json", "{");
    assert_int_equal(kw_chat_templates_read(slashed, &none, &err), KW_E_FORMAT);
    kw_chat_templates_free(&none);
    put(slashed, "chat_template.json", NULL);
    put(slashed, config, NULL);
    assert_int_equal(rmdir(dir), 0);
}

/* ---- from the start ---- */

/* A conversation that grows keeps what it has read; one that parts from it forgets the rest. */
static void common_beginnings_are_kept(void **state)
{
    static const int32_t first[] = {T_BOS, T_A, T_B}, longer[] = {T_BOS, T_A, T_B, T_C, T_A};
    static const int32_t other[] = {T_BOS, T_B};
    static record r;
    rig m = open_script(endless_script, 16);
    kw_constraints c = greedy();
    kw_input input = {.struct_size = sizeof input, .from_start = true};
    (void)state;
    c.max_tokens = 2;
    r.session = m.session;
    const struct {
        const int32_t *tokens;
        size_t n, read;
    } turns[] = {{first, 3, 3}, {longer, 5, 1}, {longer, 5, 1}, {other, 2, 1}, {first, 3, 2}};
    for (size_t i = 0; i < KW_COUNT(turns); i++) {
        input.tokens = turns[i].tokens;
        input.n_tokens = turns[i].n;
        r.n_tokens = r.n_end_events = 0;
        r.text_len = 0;
        kw_result result = {.struct_size = sizeof result};
        must(kw_run(m.session, &input, &c, note, &r, &result, &r.err), &r.err);
        assert_int_equal(r.n_total, turns[i].read);
        assert_int_equal(result.n_prompt, turns[i].n);
        assert_int_equal(result.n_kept, turns[i].n - turns[i].read);
        /* the last token of an answer is not read */
        assert_int_equal(kw_session_position(m.session), (int)turns[i].n + 1);
    }
    /* what does not fit leaves the session as it was */
    int32_t many[20];
    for (int i = 0; i < 20; i++)
        many[i] = T_A;
    input.tokens = many;
    input.n_tokens = 20;
    assert_int_equal(kw_run(m.session, &input, &c, note, &r, NULL, &r.err), KW_E_LIMIT);
    assert_int_equal(kw_session_position(m.session), 4);
    close_rig(&m);
}

/* The text of a template brings its own bos: there is no second one. */
static void bos_is_not_doubled(void **state)
{
    static record r;
    rig m = open_script(hello_script, 64);
    const kw_chat_message user = {"user", "lo", 0};
    const kw_chat chat = new_chat(&user, 1, "{{ bos_token }}{{ messages[0].content }}");
    const kw_constraints c = greedy();
    kw_result result = {.struct_size = sizeof result};
    char *text = NULL;
    (void)state;
    must(kw_chat_apply(m.model, &chat, &text, NULL, &r.err), &r.err);
    const kw_input input = {.struct_size = sizeof input,
                            .text = text,
                            .no_special = true,
                            .parse_special = true,
                            .from_start = true};
    must(kw_run(m.session, &input, &c, note, &r, &result, &r.err), &r.err);
    assert_int_equal(result.n_prompt, 2); /* bos, "lo" */
    assert_string_equal(r.text, " world\xe2\x82\xac!");
    assert_int_equal(r.finish, KW_FINISH_STOP);
    kw_free(text);
    close_rig(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversations_are_written),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(named_templates_are_chosen),
        cmocka_unit_test(templates_are_found_beside_the_weights),
        cmocka_unit_test(common_beginnings_are_kept),
        cmocka_unit_test(bos_is_not_doubled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
