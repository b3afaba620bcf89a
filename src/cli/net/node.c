/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* node.c - kwaai node: runs a node, and talks to the one that runs. */
#include "cli/commands.h"

#include "base/check.h"
#include "base/json.h"
#include "cli/interrupt.h"
#include "cli/net/bans.h"
#include "cli/net/fetch_progress.h"
#include "cli/net/follow.h"
#include "cli/net/owner.h"
#include "cli/suggest.h"
#include "crypto/crypto.h"
#include "hub/local_blocks.h"
#include "net/sctp.h"
#include "node/node.h"
#include "os/metered.h"
#include "os/system.h"

#include <stdlib.h>
#include <string.h>

#define LISTEN_MAX 16
/* Where start listens without --listen; the second one is for browsers. */
static const char *const standard[] = {"/ip4/0.0.0.0/tcp/4001",
                                       "/ip4/0.0.0.0/udp/4001/webrtc-direct"};
#define ANSWER_MS 90000

/* ---- start --------------------------------------------------------------------------------- */

static bool interrupted(void *user)
{
    (void)user;
    return kw_interrupt_seen();
}

static void log_line(void *user, int level, const char *message)
{
    kw_cli *const cli = user;
    (void)level;
    kw_cli_note(cli, "%s", message);
}

static kw_status parse_addrs(const kw_text_list *texts, kw_multiaddr out[LISTEN_MAX], size_t *n,
                             kw_error *err)
{
    if (texts->n > LISTEN_MAX)
        return kw_fail(err, KW_E_ARG, "%zu addresses (at most %d)", texts->n, LISTEN_MAX);
    for (*n = 0; *n < texts->n; ++*n)
        KW_TRY(kw_cli_parse_addr(texts->items[*n], &out[*n], err));
    return KW_OK;
}

/* Tells where the node is: one line for a person, or JSON for a program. */
static void announce(kw_cli *cli, kw_node *node)
{
    kw_multiaddr addrs[LISTEN_MAX];
    char id[KW_PEER_ID_TEXT_MAX], text[KW_MULTIADDR_TEXT_MAX];
    kw_host *const host = kw_node_host(node);
    const size_t n = KW_MIN(kw_host_addrs(host, addrs, LISTEN_MAX), (size_t)LISTEN_MAX);
    kw_peer_id_text(kw_host_id(host), id);
    if (cli->parsed.options.json) {
        kw_json_writer json = {.out = &cli->out};
        kw_json_open(&json, NULL, '{');
        kw_json_puts(&json, "peer", id);
        kw_json_open(&json, "addrs", '[');
        for (size_t i = 0; i < n; i++) {
            char whole[KW_MULTIADDR_TEXT_MAX + KW_PEER_ID_TEXT_MAX + 8];
            kw_multiaddr_text(&addrs[i], text);
            (void)snprintf(whole, sizeof whole, "%s/p2p/%s", text, id);
            kw_json_puts(&json, NULL, whole);
        }
        kw_json_close(&json, ']');
        kw_json_close(&json, '}');
        kw_out_puts(&cli->out, "\n");
    } else {
        kw_out_printf(&cli->out, "peer %s\n", id);
        for (size_t i = 0; i < n; i++) {
            kw_multiaddr_text(&addrs[i], text);
            kw_out_printf(&cli->out, "listens on %s/p2p/%s\n", text, id);
        }
        kw_cli_note(cli, "the node runs; Ctrl-C ends it");
    }
    kw_out_flush(&cli->out);
}

/* What the node serves: the blocks of the files that are published here. */
typedef struct shelf {
    kw_index *index;
    kw_local_blocks *blocks;
    kw_block_store store;
} shelf;

static void close_shelf(shelf *s)
{
    if (s->blocks)
        kw_local_blocks_close(s->blocks);
    kw_index_close(s->index);
}

static kw_status open_shelf(const kw_home *home, bool sha_extension, shelf *s, kw_error *err)
{
    const kw_local_config local = {.sha_extension = sha_extension};
    KW_TRY(kw_cli_open_index(home, &s->index, err));
    KW_TRY(kw_local_blocks_open(s->index, &local, &s->blocks, err));
    s->store = kw_local_blocks_store(s->blocks);
    return KW_OK;
}

static kw_status provide_row(void *user, const kw_index_row *row, kw_error *err)
{
    return row->rooted ? kw_node_provide(user, &row->root, err) : KW_OK;
}

#define METERED_NS UINT64_C(30000000000) /* between questions to NetworkManager */

/* What the conditions are read from. */
typedef struct machine {
    const kw_cli *cli;
    kw_metered metered;
    uint64_t asked_ns; /* 0: never */
} machine;

/* What this machine is like now. */
static void conditions(void *user, kw_conditions *out)
{
    machine *const m = user;
    const char *const root = m->cli->env("KWAAI_POWER_ROOT");
    kw_power_read(root && root[0] ? root : KW_POWER_ROOT, &out->power);
    const uint64_t now = kw_clock_ns();
    if (m->asked_ns == 0 || now - m->asked_ns > METERED_NS) {
        m->metered = kw_metered_read(KW_METERED_BUS);
        m->asked_ns = now;
    }
    out->metered = m->cli->parsed.options.metered || m->metered == KW_METERED_YES;
}

/* What it gives and takes. */
static kw_status read_services(kw_cli *cli, const kw_home *home, kw_node_config *config,
                               kw_error *err)
{
    const kw_options *const options = &cli->parsed.options;
    if (!kw_contribute_parse(kw_str_from(options->contribute), &config->contribute))
        return kw_fail(err, KW_E_ARG, "--contribute is \"%.40s\": when-optimal, always or never",
                       options->contribute);
    KW_TRY(kw_parse_rate("store-cap", options->store_cap, &config->store_cap, err));
    config->conditions = conditions;
    config->trust = home->trust;
    config->store = home->store;
    config->following = kw_following_path(home);
    return config->following ? KW_OK : kw_fail(err, KW_E_NOMEM, "no memory for a path");
}

static kw_status run_until_stopped(kw_cli *cli, kw_index *index, kw_node *node, kw_error *err)
{
    const kw_index_query all = {0};
    KW_TRY(kw_index_each(index, &all, provide_row, node, err));
    kw_interrupt_watch_service();
    announce(cli, node);
    kw_node_run(node);
    kw_interrupt_clear();
    return KW_OK;
}

/* Who the node is, and whose key it needs to be talked to. */
typedef struct keys {
    kw_identity identity;
    kw_certificate *certificate;
    uint8_t network[32];
} keys;

static void free_keys(keys *k)
{
    kw_identity_wipe(&k->identity);
    kw_certificate_free(k->certificate);
    kw_crypto_wipe(k->network, sizeof k->network);
}

static kw_status read_keys(kw_cli *cli, const kw_home *home, keys *k, kw_node_config *config,
                           kw_error *err)
{
    KW_TRY(kw_owner_identity(home->dir, true, &k->identity, err));
    config->identity = &k->identity;
    KW_TRY(kw_owner_network(home->dir, k->network, &config->psk, err));
    if (config->psk)
        kw_cli_note(cli, "a private network: only who has the key in %s/swarm.key is talked to",
                    home->dir);
    else if (kw_sctp_there())
        KW_TRY(kw_owner_certificate(home->dir, &k->certificate, err));
    else
        kw_cli_note(cli, "this build has no WebRTC (libusrsctp): browsers have WebSocket alone");
    config->certificate = k->certificate;
    return KW_OK;
}

static kw_status start(kw_cli *cli, kw_error *err)
{
    const kw_options *const options = &cli->parsed.options;
    kw_multiaddr listen[LISTEN_MAX], first[LISTEN_MAX], through[LISTEN_MAX];
    kw_node_config config = {.agent = "kwaai/" KW_VERSION,
                             .listen = listen,
                             .bootstrap = first,
                             .through = through,
                             .be_relay = options->relay,
                             .perf = options->perf,
                             .local = options->local,
                             .stop = interrupted,
                             .user = &(machine){.cli = cli},
                             .log = {.write = log_line, .user = cli, .level = KW_LOG_INFO}};
    KW_TRY(parse_addrs(&options->listen, listen, &config.n_listen, err));
    KW_TRY(parse_addrs(&options->bootstrap, first, &config.n_bootstrap, err));
    if (options->upload_limit)
        KW_TRY(kw_parse_rate("upload-limit", options->upload_limit, &config.bytes_per_second, err));
    KW_TRY(parse_addrs(&options->through, through, &config.n_through, err));
    kw_home home;
    keys k = {0};
    kw_system system;
    shelf s = {0};
    char *path = NULL;
    kw_node *node = NULL;
    kw_system_query(&system);
    config.sha_extension = (system.features & KW_CPU_SHA) != 0;
    KW_TRY(kw_home_open(cli, true, &home, err));
    kw_status status = kw_owner_socket(home.dir, &path, err);
    if (status == KW_OK)
        status = read_services(cli, &home, &config, err);
    if (status == KW_OK)
        status = open_shelf(&home, config.sha_extension, &s, err);
    if (status == KW_OK)
        status = read_keys(cli, &home, &k, &config, err);
    const kw_text_list otherwise = {.items = (const char **)(uintptr_t)standard,
                                    .n = k.certificate ? 2 : 1};
    if (status == KW_OK && config.n_listen == 0)
        status = parse_addrs(&otherwise, listen, &config.n_listen, err);
    if (status == KW_OK) {
        config.socket = path;
        config.blocks = &s.store;
        config.reputation = home.node;
        config.index = s.index;
        status = kw_node_open(&config, &node, err);
    }
    if (status == KW_OK)
        status = run_until_stopped(cli, s.index, node, err);
    kw_node_close(node);
    free_keys(&k);
    close_shelf(&s);
    free((char *)(uintptr_t)config.following);
    free(path);
    kw_home_close(&home);
    return status;
}

/* ---- asking the node that runs -------------------------------------------------------------- */

/* The value of a member of a flat object as text: a string's bytes, else its JSON. */
static bool member(kw_arena *arena, kw_str object, const char *name, kw_str *out)
{
    kw_json json;
    kw_json_token token;
    kw_json_init(&json, object, "the node's answer");
    if (kw_json_expect(&json, KW_JSON_OBJECT, &token, NULL) != KW_OK)
        return false;
    while (kw_json_next(&json, &token, NULL) == KW_OK && token.kind == KW_JSON_KEY) {
        const bool wanted = kw_str_is(token.text, name);
        if (kw_json_next(&json, &token, NULL) != KW_OK)
            return false;
        if (wanted && token.kind == KW_JSON_STRING)
            return kw_json_string(&json, &token, arena, out, NULL) == KW_OK;
        if (wanted) {
            *out = token.text;
            return true;
        }
        if (kw_json_skip(&json, &token, NULL) != KW_OK)
            return false;
    }
    return false;
}

static kw_status ask(kw_cli *cli, const char *words, kw_buf *reply, kw_error *err)
{
    kw_home home;
    int node;
    KW_TRY(kw_home_open(cli, false, &home, err));
    kw_status status = kw_owner_connect(home.dir, &node, err);
    kw_home_close(&home);
    if (status != KW_OK)
        return status;
    status = kw_owner_ask(node, words, ANSWER_MS, reply, err);
    kw_owner_disconnect(node);
    kw_arena arena = {0};
    kw_str refusal;
    if (status == KW_OK && member(&arena, (kw_str){reply->data, reply->len}, "error", &refusal))
        status = kw_fail(err, KW_E_IO, "%.*s", KW_FMT(refusal));
    kw_arena_free(&arena);
    return status;
}

#define NAME_WIDTH 14 /* of "not reached by" */

/* The name of a member, its words apart, in a column. */
static void print_name(kw_cli *cli, kw_str name)
{
    char text[NAME_WIDTH + 1];
    const size_t n = KW_MIN(name.len, (size_t)NAME_WIDTH);
    for (size_t i = 0; i < n; i++)
        text[i] = name.data[i] == '_' ? ' ' : name.data[i];
    text[n] = 0;
    kw_out_printf(&cli->out, "%-*s  ", NAME_WIDTH, text);
}

/* A value behind its name; the further ones of a list below the first. */
static void print_value(kw_cli *cli, const kw_json *json, const kw_json_token *token,
                        kw_arena *arena, bool first)
{
    kw_str text;
    if (!first)
        print_name(cli, KW_STR(""));
    if (token->kind == KW_JSON_STRING && token->text.len > 0 &&
        kw_json_string(json, token, arena, &text, NULL) == KW_OK)
        kw_out_foreign(&cli->out, text.data, text.len);
    else if (token->kind == KW_JSON_NUMBER)
        kw_out_printf(&cli->out, "%.*s", KW_FMT(token->text));
    else if (token->kind == KW_JSON_TRUE || token->kind == KW_JSON_FALSE)
        kw_out_puts(&cli->out, token->kind == KW_JSON_TRUE ? "yes" : "no");
    else
        kw_out_puts(&cli->out, "-");
    kw_out_puts(&cli->out, "\n");
}

/* Members of an object, a line each; a list of objects has empty lines between them. */
static void print_object(kw_cli *cli, kw_str object)
{
    kw_json json;
    kw_json_token token;
    kw_arena arena = {0};
    bool first = false; /* a name waits for its value */
    size_t n_objects = 0;
    kw_json_init(&json, object, "the node's answer");
    while (kw_json_next(&json, &token, NULL) == KW_OK && token.kind != KW_JSON_END) {
        if (token.kind == KW_JSON_OBJECT) {
            if (n_objects++ > 0)
                kw_out_puts(&cli->out, "\n");
        } else if (token.kind == KW_JSON_KEY) {
            print_name(cli, token.text);
        } else if (token.kind == KW_JSON_ARRAY_END && first) {
            kw_out_puts(&cli->out, "none\n");
        } else if (token.kind != KW_JSON_ARRAY && token.kind != KW_JSON_ARRAY_END &&
                   token.kind != KW_JSON_OBJECT_END) {
            print_value(cli, &json, &token, &arena, first);
        }
        first = token.kind == KW_JSON_KEY || (token.kind == KW_JSON_ARRAY && first);
    }
    kw_arena_free(&arena);
}

static kw_status show(kw_cli *cli, const char *words, kw_error *err)
{
    kw_buf reply = {0};
    kw_status status = ask(cli, words, &reply, err);
    if (status == KW_OK && cli->parsed.options.json) {
        kw_out_write(&cli->out, reply.data, reply.len);
        kw_out_puts(&cli->out, "\n");
    } else if (status == KW_OK) {
        print_object(cli, (kw_str){reply.data, reply.len});
    }
    kw_buf_free(&reply);
    return status;
}

/* ---- ping ---------------------------------------------------------------------------------- */

static kw_status print_ping(kw_cli *cli, int64_t i, const char *whom, uint64_t us)
{
    if (cli->parsed.options.json)
        kw_out_printf(&cli->out, "{\"us\": %llu}\n", (unsigned long long)us);
    else
        kw_out_printf(&cli->out, "%lld: %s answers in %.3f ms\n", (long long)i + 1, whom,
                      (double)us / 1000.0);
    kw_out_flush(&cli->out);
    return kw_interrupt_seen() ? KW_E_CANCELLED : KW_OK;
}

static kw_status ping_by_node(kw_cli *cli, const char *whom, kw_error *err)
{
    char words[1024];
    (void)snprintf(words, sizeof words, "ping %.900s", whom);
    for (int64_t i = 0; i < cli->parsed.options.count; i++) {
        kw_buf reply = {0};
        kw_arena arena = {0};
        kw_str us;
        kw_status status = ask(cli, words, &reply, err);
        if (status == KW_OK && !member(&arena, (kw_str){reply.data, reply.len}, "us", &us))
            status = kw_fail(err, KW_E_FORMAT, "the node does not tell how long it took");
        if (status == KW_OK)
            status = print_ping(cli, i, whom, strtoull(us.data, NULL, 10));
        kw_buf_free(&reply);
        kw_arena_free(&arena);
        KW_TRY(status);
    }
    return KW_OK;
}

/* A ping without a node that runs: a host that lives for it. */
typedef struct pinging {
    kw_host *host;
    bool done;
    kw_status status;
    kw_peer_id peer;
    uint64_t us;
    char why[200];
} pinging;

static void pinged(void *user, kw_status status, uint64_t rtt_us)
{
    pinging *const p = user;
    p->done = true;
    p->status = status;
    p->us = rtt_us;
    (void)snprintf(p->why, sizeof p->why, "the peer does not answer the ping");
}

static void connected(void *user, const kw_peer_id *peer, kw_status status, const char *why)
{
    pinging *const p = user;
    p->done = true;
    p->status = status;
    if (status == KW_OK)
        p->peer = *peer;
    else
        (void)snprintf(p->why, sizeof p->why, "%s", why ? why : kw_status_name(status));
}

static kw_status wait_for(pinging *p, kw_loop *loop, kw_error *err)
{
    while (!p->done && !kw_interrupt_seen())
        kw_loop_step(loop, 200);
    if (!p->done)
        return kw_fail(err, KW_E_CANCELLED, "interrupted");
    p->done = false;
    /* Whatever a peer does, no file is to blame. */
    return p->status == KW_OK ? KW_OK : kw_fail(err, KW_E_IO, "%s", p->why);
}

/* dir: of a home, NULL: none. */
static kw_status ping_from_here(kw_cli *cli, const char *dir, const char *whom, kw_error *err)
{
    kw_multiaddr addr;
    kw_identity identity;
    uint8_t network[32];
    const uint8_t *psk;
    KW_TRY(kw_cli_parse_addr(whom, &addr, err));
    KW_TRY(kw_owner_network(dir, network, &psk, err));
    KW_TRY(kw_identity_new(&identity, err));
    const kw_node_config config = {.identity = &identity, .agent = "kwaai/" KW_VERSION, .psk = psk};
    kw_node *node;
    KW_TRY(kw_node_open(&config, &node, err));
    pinging p = {.host = kw_node_host(node)};
    kw_loop *const loop = kw_host_loop(p.host);
    kw_interrupt_watch();
    kw_host_connect(p.host, NULL, &addr, connected, &p);
    kw_status status = wait_for(&p, loop, err);
    for (int64_t i = 0; status == KW_OK && i < cli->parsed.options.count; i++) {
        kw_host_ping(p.host, &p.peer, pinged, &p);
        status = wait_for(&p, loop, err);
        if (status == KW_OK)
            status = print_ping(cli, i, whom, p.us);
    }
    kw_node_close(node);
    kw_interrupt_clear();
    kw_identity_wipe(&identity);
    return status;
}

static kw_status ping(kw_cli *cli, const char *whom, kw_error *err)
{
    kw_home home;
    int node;
    KW_TRY(kw_home_open(cli, false, &home, err));
    kw_status status = kw_owner_connect(home.dir, &node, err);
    if (status == KW_OK) {
        kw_owner_disconnect(node);
        status = ping_by_node(cli, whom, err);
    } else {
        status = ping_from_here(cli, home.dir, whom, err);
    }
    kw_home_close(&home);
    return status;
}

/* ---- following ---- */

/* A node that runs looks at once; the next one that starts does anyway. */
static void tell_node(kw_cli *cli)
{
    kw_buf reply = {0};
    (void)ask(cli, "follow", &reply, NULL);
    kw_buf_free(&reply);
}

static kw_status follow(kw_cli *cli, const char *whom, kw_error *err)
{
    KW_TRY(kw_cli_follow(cli, whom, err));
    tell_node(cli);
    return KW_OK;
}

static kw_status unfollow(kw_cli *cli, const char *whom, kw_error *err)
{
    KW_TRY(kw_cli_unfollow(cli, whom, err));
    tell_node(cli);
    return KW_OK;
}

/* ---- the command --------------------------------------------------------------------------- */

static int run_node(kw_cli *cli)
{
    static const struct {
        const char *name;
        size_t n_args; /* with the name */
        kw_status (*run)(kw_cli *cli, kw_error *err);
        kw_status (*run_with)(kw_cli *cli, const char *argument, kw_error *err);
        const char *words; /* asked of the node */
    } table[] = {
        {"start", 1, start, NULL, NULL},
        {"ping", 2, NULL, ping, NULL},
        {"status", 1, NULL, NULL, "status"},
        {"peers", 1, NULL, NULL, "peers"},
        {"connect", 2, NULL, NULL, "connect"},
        {"disconnect", 2, NULL, NULL, "disconnect"},
        {"provide", 2, NULL, NULL, "provide"},
        {"find", 2, NULL, NULL, "find"},
        {"bans", 1, kw_cli_bans, NULL, NULL},
        {"ban", 2, NULL, kw_cli_ban, NULL},
        {"unban", 2, NULL, kw_cli_unban, NULL},
        {"stop", 1, NULL, NULL, "stop"},
        {"follow", 2, NULL, follow, NULL},
        {"unfollow", 2, NULL, unfollow, NULL},
        {"following", 1, kw_cli_following, NULL, NULL},
        {"perf", 4, NULL, NULL, "perf"},
    };
    const kw_parsed *const parsed = &cli->parsed;
    if (parsed->n_args == 0)
        return kw_cli_usage(cli, "what shall the node do?");
    for (size_t i = 0; i < KW_COUNT(table); i++) {
        if (strcmp(parsed->args[0], table[i].name) != 0)
            continue;
        if (parsed->n_args != table[i].n_args)
            return kw_cli_usage(cli, "node %s takes %zu argument%s", table[i].name,
                                table[i].n_args - 1, table[i].n_args == 2 ? "" : "s");
        kw_error err = {0};
        kw_buf words = {0};
        for (size_t k = 0; k < parsed->n_args; k++)
            kw_buf_printf(&words, k ? " %s" : "%s", parsed->args[k]);
        if (kw_buf_status(&words, &err) != KW_OK)
            return kw_cli_fail(cli, KW_E_NOMEM, &err);
        const kw_status status = table[i].run        ? table[i].run(cli, &err)
                                 : table[i].run_with ? table[i].run_with(cli, parsed->args[1], &err)
                                                     : show(cli, words.data, &err);
        kw_buf_free(&words);
        if (status == KW_E_NOTFOUND && table[i].words) {
            kw_cli_note(cli, "%s", err.message);
            kw_cli_hint(cli, "kwaai node start runs one");
            return KW_EXIT_FAILED;
        }
        return status == KW_OK ? KW_EXIT_OK : kw_cli_fail(cli, status, &err);
    }
    kw_suggestion s;
    kw_suggest_init(&s, parsed->args[0]);
    for (size_t i = 0; i < KW_COUNT(table); i++)
        (void)kw_suggest_consider(&s, table[i].name);
    return kw_cli_usage(cli, "node does not know \"%s\"%s%s%s", parsed->args[0],
                        s.best ? "; did you mean " : "", s.best ? s.best : "", s.best ? "?" : "");
}

const kw_command kw_command_node = {
    .name = "node",
    .summary = "run a peer that shares models, and ask it",
    .usage = "WORD [ADDR|PEER|IP|CID|KEY|NAME [UP DOWN]]",
    .description =
        "WORD is start, status, peers, ping, perf, find, provide, connect, disconnect, follow, "
        "unfollow, following, bans, ban, unban or stop.\n"
        "\n"
        "start runs a node in this terminal until Ctrl-C: it listens, keeps its key in "
        "~/.kwaai/identity.key (which it makes on the first start), and speaks libp2p with other "
        "nodes and with IPFS. It serves the blocks of the models that were published here (kwaai "
        "publish) and of what it fetches (kwaai pull), and says so in the DHT. With a file "
        "~/.kwaai/swarm.key it is in a private network: it talks to those who have the same "
        "file.\n"
        "\n"
        "The other words talk to the node that runs. ping works without one too, given an address "
        "that ends with /p2p/PEER or one of any peer. perf sends UP bytes to a peer and receives "
        "DOWN from it; only a node that was started with --perf answers.\n"
        "\n"
        "bans lists peers and addresses by what they have done, in this node and in every pull: "
        "bad "
        "blocks, broken messages, floods and stalls take points, time and good blocks give them "
        "back, and whoever has lost 80 is banned for a while. ban and unban do the same by hand, "
        "for a peer or an address (of IPv6: its /64); a node that runs follows within a second."
        "\n\n"
        "follow KEY, a publisher's public key or the name that the trust file has for one, lets "
        "the "
        "node fetch what that publisher publishes elsewhere, as long as the store stays below "
        "--store-cap: so a model that is published on one device appears on the others. follow "
        "ORG/NAME does the same for one model, by the key that signed what is here of it, or by "
        "the one that the trust file's policies name for it. unfollow ends it, following lists "
        "whom.",
    .examples = "  kwaai node start\n"
                "  kwaai node start --listen /ip4/127.0.0.1/tcp/0 --json\n"
                "  kwaai node ping /ip4/192.0.2.7/tcp/4001 --count 3\n"
                "  kwaai node peers --json\n"
                "  kwaai node ban 192.0.2.7 --for 12h\n"
                "  kwaai node follow alice/tiny\n"
                "  kwaai node follow RWRgjTsEClhdhw3iikkV/ueRRP81/cT3+jr0q2PyI5rhkfGWimJiBNQr\n",
    .choices = "start status peers ping perf find provide connect disconnect follow unfollow "
               "following bans ban unban stop",
    .max_args = 4,
    .run = run_node,
};
