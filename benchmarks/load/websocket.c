/* The part of RFC 6455 that a subscriber needs (https://www.rfc-editor.org/rfc/rfc6455#section-5.2). */
#define _GNU_SOURCE
#include "load.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };
#define SEND_ROOM 65535

void request_upgrade(struct client *c) {
    char request[1024];
    int size = snprintf(
        request, sizeof request,
        "GET %s%s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        options.path, options.socketio ? "?EIO=4&transport=websocket" : "", options.host, options.port);
    if (send(c->fd, request, size, MSG_NOSIGNAL) != size) {
        lose(c, "the upgrade request was not sent");
        return;
    }
    c->state = UPGRADING;
}

/* Client frames are masked; a mask of zeros is a valid one. */
void send_frame(struct client *c, int opcode, const void *payload, size_t size) {
    uint8_t frame[8 + SEND_ROOM];
    size_t head = 2;
    if (size > SEND_ROOM) give_up("a message to send is too long");
    frame[0] = 0x80 | opcode;
    if (size < 126) frame[1] = 0x80 | size;
    else {
        frame[1] = 0x80 | 126;
        frame[2] = size >> 8;
        frame[3] = size;
        head = 4;
    }
    memset(frame + head, 0, 4);
    head += 4;
    memcpy(frame + head, payload, size);
    if (send(c->fd, frame, head + size, MSG_NOSIGNAL) != (ssize_t)(head + size) && c->state < READY)
        fprintf(stderr, "load: short send: %s\n", strerror(errno));
}

static size_t take_upgrade(struct client *c, const uint8_t *data, size_t size) {
    const uint8_t *end = memmem(data, size, "\r\n\r\n", 4);
    if (!end) return 0;
    if (memcmp(data, "HTTP/1.1 101", 12)) {
        char why[120];
        snprintf(why, sizeof why, "not upgraded: %.*s", (int)(size < 90 ? size : 90), (const char *)data);
        lose(c, why);
        return 0;
    }
    on_upgraded(c);
    return end + 4 - data;
}

size_t take_frames(struct client *c, const uint8_t *data, size_t size, uint64_t now) {
    size_t taken = 0;
    if (c->state == UPGRADING) {
        taken = take_upgrade(c, data, size);
        if (c->state == UPGRADING || is_gone(c)) return taken;
    }
    while (size - taken >= 2) {
        const uint8_t *frame = data + taken;
        size_t left = size - taken, head = 2;
        uint64_t length = frame[1] & 0x7f;
        if (frame[1] & 0x80) { lose(c, "masked frame from the server"); break; }
        if (frame[0] & 0x70) { lose(c, "reserved bit in a frame from the server"); break; }
        if (length >= 126) {
            head = length == 126 ? 4 : 10;
            if (left < head) break;
            length = 0;
            for (size_t i = 2; i < head; i++) length = length << 8 | frame[i];
        }
        if (length > RECEIVE_ROOM - 16) { lose(c, "frame too long"); break; }
        if (left < head + length) break;
        switch (frame[0] & 0x0f) {
        case TEXT: case BINARY: on_packet(c, frame + head, length, now); break;
        case PING: send_frame(c, PONG, frame + head, length); break;
        case CLOSE: lose(c, "close frame"); break;
        default: break; /* a continuation frame: its message was counted with the first frame */
        }
        if (is_gone(c)) break;
        taken += head + length;
    }
    return taken;
}
