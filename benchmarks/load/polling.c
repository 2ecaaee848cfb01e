/* Engine.IO 4 over HTTP long-polling, on one kept-alive connection: a POST when there is a packet to send,
 * else a GET that waits. */
#define _GNU_SOURCE
#include "load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define SEPARATOR 0x1e
#define OUTBOX 65000

struct poller {
    char session[128];
    int posting; /* the next response belongs to a POST */
    size_t outbox_size;
    char *outbox; /* packets to post, joined */
};

static void request(struct client *c, const char *method, const char *body, size_t size) {
    char head[512], *whole;
    struct poller *p = c->poller;
    int length = snprintf(
        head, sizeof head,
        "%s %s?EIO=4&transport=polling%s%s HTTP/1.1\r\nHost: %s:%d\r\n"
        "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %zu\r\n\r\n",
        method, options.path, *p->session ? "&sid=" : "", p->session, options.host, options.port, size);
    if (!(whole = malloc(length + size))) give_up("out of memory");
    memcpy(whole, head, length);
    if (size) memcpy(whole + length, body, size);
    ssize_t sent = send(c->fd, whole, length + size, MSG_NOSIGNAL);
    free(whole);
    if (sent != (ssize_t)(length + size)) lose(c, "the request was not sent");
}

void request_open(struct client *c) {
    if (!(c->poller = calloc(1, sizeof *c->poller))) give_up("out of memory");
    c->state = OPENING;
    request(c, "GET", NULL, 0);
}

void forget_poller(struct client *c) {
    if (c->poller) free(c->poller->outbox);
    free(c->poller);
    c->poller = NULL;
}

void post_later(struct client *c, const char *packet) {
    struct poller *p = c->poller;
    size_t size = strlen(packet);
    if (!p->outbox && !(p->outbox = malloc(OUTBOX))) give_up("out of memory");
    if (p->outbox_size + size + 1 > OUTBOX) give_up("a message to send is too long");
    if (p->outbox_size) p->outbox[p->outbox_size++] = SEPARATOR;
    memcpy(p->outbox + p->outbox_size, packet, size);
    p->outbox_size += size;
}

static void ask_again(struct client *c) {
    struct poller *p = c->poller;
    p->posting = p->outbox_size > 0;
    if (!p->posting) {
        request(c, "GET", NULL, 0);
        return;
    }
    size_t size = p->outbox_size;
    p->outbox_size = 0;
    request(c, "POST", p->outbox, size);
}

static void keep_session(struct client *c, const uint8_t *body, size_t size) {
    const char key[] = "\"sid\":\"";
    const uint8_t *from = memmem(body, size, key, sizeof key - 1);
    if (!from) return;
    from += sizeof key - 1;
    const uint8_t *to = memchr(from, '"', body + size - from);
    if (to && (size_t)(to - from) < sizeof c->poller->session) memcpy(c->poller->session, from, to - from);
}

static void take_payload(struct client *c, const uint8_t *body, size_t size, uint64_t now) {
    if (!*c->poller->session) keep_session(c, body, size);
    while (size && !is_gone(c)) {
        const uint8_t *end = memchr(body, SEPARATOR, size);
        size_t length = end ? (size_t)(end - body) : size;
        on_packet(c, body, length, now);
        size -= end ? length + 1 : length;
        body += end ? length + 1 : length;
    }
}

/* Return the declared length of the body; -1 if the response has none. */
static long content_length(const uint8_t *head, size_t size) {
    const char key[] = "\r\ncontent-length:";
    for (size_t i = 0; i + sizeof key - 1 <= size; i++)
        if (!strncasecmp((const char *)head + i, key, sizeof key - 1)) return atol((const char *)head + i + sizeof key - 1);
    return -1;
}

size_t take_responses(struct client *c, const uint8_t *data, size_t size, uint64_t now) {
    size_t taken = 0;
    while (!is_gone(c)) {
        const uint8_t *head = data + taken, *end = memmem(head, size - taken, "\r\n\r\n", 4);
        if (!end) break;
        size_t head_size = end + 4 - head;
        if (memcmp(head, "HTTP/1.1 200", 12)) {
            char why[120];
            snprintf(why, sizeof why, "refused: %.*s", (int)(head_size < 90 ? head_size : 90), (const char *)head);
            lose(c, why);
            break;
        }
        long length = content_length(head, head_size);
        if (length < 0) { lose(c, "a response without Content-Length"); break; }
        if (size - taken < head_size + length) break;
        taken += head_size + length;
        if (!c->poller->posting) take_payload(c, head + head_size, length, now);
        if (!is_gone(c)) ask_again(c);
    }
    return taken;
}
