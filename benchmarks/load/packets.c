/* Engine.IO and Socket.IO packets that a client sends and receives, the same over both transports. */
#define _GNU_SOURCE
#include "load.h"
#include <string.h>

static int starts(const uint8_t *packet, size_t size, const char *with) {
    size_t length = strlen(with);
    return size >= length && !memcmp(packet, with, length);
}

static void say(struct client *c, const char *packet) {
    if (c->transport == POLLING) post_later(c, packet);
    else send_frame(c, 1, packet, strlen(packet));
}

static void show_token(struct client *c) {
    const char *token = token_of(c - clients);
    if (!token) {
        become_ready(c);
        return;
    }
    say(c, token);
    c->state = ASKING;
}

static void on_joined(struct client *c, const uint8_t *packet, size_t size) {
    if (!options.auth) {
        show_token(c);
        return;
    }
    c->recovered = take_session(c, packet, size);
    if (c->recovered) become_ready(c); /* what it missed follows at once */
    else c->state = ASKING;
}

void on_upgraded(struct client *c) {
    if (options.socketio) c->state = OPENING;
    else show_token(c);
}

/* Return the number after "t": or, inside a JSON string, \"t\": ; 0 if the packet has no such number. */
static uint64_t find_stamp(const uint8_t *packet, size_t size) {
    const uint8_t *end = packet + size, *at = packet;
    while ((at = memchr(at, 't', end - at))) {
        const uint8_t *next = at + 1;
        if (at > packet && at[-1] == '"') {
            if (next < end && *next == '\\') next++;
            if (next + 1 < end && next[0] == '"' && next[1] == ':') {
                uint64_t stamp = 0;
                for (next += 2; next < end && *next == ' '; next++) {}
                const uint8_t *digits = next;
                for (; next < end && *next >= '0' && *next <= '9'; next++) stamp = stamp * 10 + (*next - '0');
                if (next > digits) return stamp;
            }
        }
        at++;
    }
    return 0;
}

static void on_message(struct client *c, const uint8_t *packet, size_t size, uint64_t now) {
    uint64_t stamp = find_stamp(packet, size);
    keep_offset(c, packet, size);
    if (stamp) count_delivery(c, stamp, now);
    else if (options.socketio && starts(packet, size, "1")) lose(c, "close packet");
    else count_unmarked();
}

void on_packet(struct client *c, const uint8_t *packet, size_t size, uint64_t now) {
    if (options.socketio && size == 1 && packet[0] == '2') {
        say(c, "3");
        return;
    }
    switch (c->state) {
    case OPENING:
        if (starts(packet, size, "0")) {
            say(c, options.auth ? connect_packet(c) : "40");
            c->state = JOINING;
        }
        break;
    case JOINING:
        if (starts(packet, size, "40")) on_joined(c, packet, size);
        else if (starts(packet, size, "44")) lose(c, "the namespace was refused");
        else if (c->returning) on_message(c, packet, size, now); /* Node's server sends what was missed first */
        break;
    case ASKING:
        keep_offset(c, packet, size);
        if (memmem(packet, size, options.ready_marker, strlen(options.ready_marker))) become_ready(c);
        else if (options.auth && memmem(packet, size, "errorMsg", 8)) lose(c, "the token was refused");
        break;
    case READY: on_message(c, packet, size, now); break;
    default: break;
    }
}
