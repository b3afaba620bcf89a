/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hello.c - a model continues a text: hello MODEL [PROMPT] */
#include <kwaai/kwaai.h>

#include <stdio.h>

static bool print(void *user, const kw_event *event)
{
    fwrite(event->text, 1, event->text_len, user);
    return fflush(user) == 0;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "model.gguf";
    const kw_input input = {.struct_size = sizeof input, .text = argc > 2 ? argv[2] : "Once"};
    kw_engine *engine = NULL;
    kw_model *model = NULL;
    kw_session *session = NULL;
    kw_error err = {0};
    const bool ok = kw_engine_open(NULL, &engine, &err) == KW_OK &&
                    kw_model_load(engine, path, NULL, &model, &err) == KW_OK &&
                    kw_session_open(model, NULL, &session, &err) == KW_OK &&
                    kw_run(session, &input, NULL, print, stdout, NULL, &err) == KW_OK;
    fprintf(ok ? stdout : stderr, "%s\n", ok ? "" : err.message);
    kw_session_close(session);
    kw_model_close(model);
    kw_engine_close(engine);
    return ok ? 0 : 1;
}
