#define _GNU_SOURCE
#include "load.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

struct options options = {
    .host = "127.0.0.1",
    .ready_marker = "CONNECTED",
    .clients = 1000,
    .in_flight = 128,
    .socketio = 1,
    .ready_deadline_s = 60,
    .life_s = 600,
};

static char **tokens;
static long token_count;

void give_up(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "load: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(2);
}

/* Return the Socket.IO packet with the credentials of client number i; NULL if there are no credentials. */
char *token_of(long client) { return token_count ? tokens[client % token_count] : NULL; }

static void read_tokens(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) give_up("%s: %s", path, strerror(errno));
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    while ((size = getline(&line, &room, file)) > 0) {
        while (size && (line[size - 1] == '\n' || line[size - 1] == '\r')) line[--size] = 0;
        if (!size) continue;
        tokens = realloc(tokens, sizeof *tokens * (token_count + 1));
        if (!tokens || !(tokens[token_count++] = strdup(line))) give_up("out of memory");
    }
    free(line);
    fclose(file);
}

void parse_options(int argc, char **argv) {
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!value) give_up("%s needs a value", name);
        if (!strcmp(name, "--port")) options.port = atoi(value);
        else if (!strcmp(name, "--clients")) options.clients = atoi(value);
        else if (!strcmp(name, "--path")) options.path = value;
        else if (!strcmp(name, "--protocol")) {
            if (strcmp(value, "socketio") && strcmp(value, "raw")) give_up("the protocol is socketio or raw");
            options.socketio = !strcmp(value, "socketio");
        }
        else if (!strcmp(name, "--poll-every")) options.poll_every = atoi(value);
        else if (!strcmp(name, "--token-file")) options.token_file = value;
        else if (!strcmp(name, "--ready-marker")) options.ready_marker = value;
        else if (!strcmp(name, "--auth")) options.auth = atoi(value);
        else if (!strcmp(name, "--in-flight")) options.in_flight = atoi(value);
        else if (!strcmp(name, "--ready-deadline")) options.ready_deadline_s = atof(value);
        else if (!strcmp(name, "--life")) options.life_s = atof(value);
        else if (!strcmp(name, "--progress")) options.progress = value;
        else give_up("unknown option %s", name);
    }
    if (!options.port) give_up("--port is needed");
    if (options.clients < 1 || options.in_flight < 1) give_up("at least one client is needed");
    if (options.poll_every && !options.socketio) give_up("--poll-every needs --protocol socketio");
    if (!options.path) options.path = options.socketio ? "/socket.io/" : "/";
    if (options.token_file) read_tokens(options.token_file);
    if (options.auth && !token_count) give_up("--auth needs --token-file");
}
