/* Connection state recovery: what a client keeps of its session, and how it comes back to it.
 *
 * With --auth, the lines of the token file are objects for the CONNECT packet. A server that can recover the
 * session answers with a "pid"; from then on the last argument of each event, if it is a string, is the offset. */
#define _GNU_SOURCE
#include "load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct memory {
    char sid[64], pid[128], offset[192];
};

/* Copy the string after key out of a packet; return 0 if there is none, or if it does not fit. */
static int copy_string(const uint8_t *packet, size_t size, const char *key, char *to, size_t room) {
    const uint8_t *from = memmem(packet, size, key, strlen(key)), *end;
    if (!from) return 0;
    from += strlen(key);
    end = memchr(from, '"', packet + size - from);
    if (!end || (size_t)(end - from) >= room) return 0;
    memcpy(to, from, end - from);
    to[end - from] = 0;
    return 1;
}

const char *connect_packet(struct client *c) {
    static char packet[4096];
    const char *auth = token_of(c - clients);
    const struct memory *m = c->memory;
    int size;
    if (m && *m->offset)
        size = snprintf(packet, sizeof packet, "40{\"pid\":\"%s\",\"offset\":\"%s\",%s", m->pid, m->offset, auth + 1);
    else if (m) size = snprintf(packet, sizeof packet, "40{\"pid\":\"%s\",%s", m->pid, auth + 1);
    else size = snprintf(packet, sizeof packet, "40%s", auth);
    if (size >= (int)sizeof packet) give_up("a line of the token file is too long");
    return packet;
}

/* Keep the session that the answer to CONNECT names; return true if it is the one that the client had. */
int take_session(struct client *c, const uint8_t *packet, size_t size) {
    struct memory now = {0};
    int same = 0;
    copy_string(packet, size, "\"sid\":\"", now.sid, sizeof now.sid);
    if (!copy_string(packet, size, "\"pid\":\"", now.pid, sizeof now.pid)) return 0;
    if (c->memory) {
        same = !strcmp(now.sid, c->memory->sid);
        memcpy(now.offset, c->memory->offset, sizeof now.offset);
    } else {
        if (!(c->memory = malloc(sizeof *c->memory))) give_up("out of memory");
        recoverable_count++;
    }
    *c->memory = now;
    return same;
}

void keep_offset(struct client *c, const uint8_t *packet, size_t size) {
    if (!c->memory || size < 5 || memcmp(packet + size - 2, "\"]", 2)) return;
    const uint8_t *end = packet + size - 2, *from = memrchr(packet, '"', end - packet);
    if (!from || from <= packet || (from[-1] != ',' && from[-1] != ' ')) return; /* \" is inside a string */
    from++;
    if ((size_t)(end - from) >= sizeof c->memory->offset) return;
    memcpy(c->memory->offset, from, end - from);
    c->memory->offset[end - from] = 0;
}
