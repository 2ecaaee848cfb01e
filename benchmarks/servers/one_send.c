/* The lower limit: a bare epoll server that frames each message of Redis once, and calls send() once for each
 * connection. It has no Socket.IO, no tokens and only one channel.    one_send PORT REDIS_PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096
#define MESSAGE_ROOM (1 << 22)

struct client {
    int fd;
    long place; /* the index among the live connections; -1 before the upgrade */
    size_t waiting;
    char *buffer;
};

static struct client **live;
static long live_count, live_room;
static int event_queue;
static char incoming[MESSAGE_ROOM], frame[MESSAGE_ROOM];
static size_t incoming_size;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void *enough(void *memory) {
    if (!memory) fail("memory");
    return memory;
}

static void watch(int operation, int fd, uint32_t events, void *who) {
    struct epoll_event event = {.events = events, .data.ptr = who};
    if (epoll_ctl(event_queue, operation, fd, &event) < 0) fail("epoll");
}

static void forget(struct client *c) {
    if (c->place >= 0) {
        live[c->place] = live[--live_count];
        live[c->place]->place = c->place;
    }
    close(c->fd);
    free(c->buffer);
    free(c);
}

static void keep(struct client *c, const char *data, size_t size) {
    c->buffer = enough(realloc(c->buffer, c->waiting + size));
    memcpy(c->buffer + c->waiting, data, size);
    c->waiting += size;
    watch(EPOLL_CTL_MOD, c->fd, EPOLLIN | EPOLLOUT, c);
}

static void fan_out(const char *message, size_t length) {
    static const char event[] = "42[\"message\",";
    size_t payload = sizeof event - 1 + length + 1, size = 0;
    if (payload > 65535) return;
    frame[size++] = (char)0x81;
    if (payload < 126) frame[size++] = payload;
    else {
        frame[size++] = 126;
        frame[size++] = payload >> 8;
        frame[size++] = payload;
    }
    memcpy(frame + size, event, sizeof event - 1);
    size += sizeof event - 1;
    memcpy(frame + size, message, length);
    size += length;
    frame[size++] = ']';
    for (long i = 0; i < live_count; i++) {
        struct client *c = live[i];
        ssize_t sent = c->waiting ? 0 : send(c->fd, frame, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) sent = 0;
        if ((size_t)sent < size) keep(c, frame + sent, size - sent);
    }
}

/* A push is an array of three: its kind, the channel, and a number or the message. */
static void on_redis(int fd) {
    ssize_t got = recv(fd, incoming + incoming_size, sizeof incoming - incoming_size, 0);
    if (got <= 0) exit(0);
    incoming_size += got;
    size_t taken = 0;
    for (;;) {
        char *field[3], *end = memmem(incoming + taken, incoming_size - taken, "\r\n", 2);
        size_t length[3] = {0}, at;
        int whole = end != NULL;
        if (!whole) break;
        at = end + 2 - incoming;
        for (int k = 0; k < 3 && whole; k++) {
            end = memmem(incoming + at, incoming_size - at, "\r\n", 2);
            whole = end != NULL;
            if (!whole) break;
            int number = incoming[at] == ':';
            length[k] = number ? 0 : strtoul(incoming + at + 1, NULL, 10);
            at = end + 2 - incoming;
            field[k] = incoming + at;
            if (number) continue;
            whole = at + length[k] + 2 <= incoming_size;
            at += length[k] + 2;
        }
        if (!whole) break;
        if (length[0] == 7 && !memcmp(field[0], "message", 7)) fan_out(field[2], length[2]);
        taken = at;
    }
    memmove(incoming, incoming + taken, incoming_size - taken);
    incoming_size -= taken;
}

static void flush(struct client *c) {
    ssize_t sent = send(c->fd, c->buffer, c->waiting, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
        memmove(c->buffer, c->buffer + sent, c->waiting - sent);
        c->waiting -= sent;
    }
    if (c->waiting) return;
    free(c->buffer);
    c->buffer = NULL;
    watch(EPOLL_CTL_MOD, c->fd, EPOLLIN, c);
}

static void on_client(struct client *c, uint32_t events) {
    static const char upgraded[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"; /* the generator's key is always the same */
    static char request[65536];
    if (events & EPOLLOUT && c->waiting) flush(c);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    ssize_t got = recv(c->fd, request, sizeof request, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) forget(c);
        return;
    }
    if (c->place >= 0 || !memmem(request, got, "\r\n\r\n", 4)) return;
    if (send(c->fd, upgraded, sizeof upgraded - 1, MSG_NOSIGNAL) <= 0) return;
    if (live_count == live_room) {
        live_room = live_room ? live_room * 2 : 1024;
        live = enough(realloc(live, live_room * sizeof *live));
    }
    c->place = live_count;
    live[live_count++] = c;
}

static void accept_all(int listening) {
    int fd;
    while ((fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct client *c = enough(calloc(1, sizeof *c));
        c->fd = fd;
        c->place = -1;
        watch(EPOLL_CTL_ADD, fd, EPOLLIN, c);
    }
}

static struct sockaddr_in local(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

int main(int argc, char **argv) {
    static const char subscribe[] = "SUBSCRIBE hornet:channel:bench\r\n";
    static struct epoll_event events[256];
    if (argc != 3) return 2;
    struct sockaddr_in here = local(argv[1]), redis_address = local(argv[2]);
    int redis = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (connect(redis, (struct sockaddr *)&redis_address, sizeof redis_address)) fail("redis");
    if (write(redis, subscribe, sizeof subscribe - 1) < 0) fail("redis");
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(listening, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(listening, (struct sockaddr *)&here, sizeof here) || listen(listening, BACKLOG)) fail("listen");
    event_queue = epoll_create1(0);
    watch(EPOLL_CTL_ADD, listening, EPOLLIN, &listening);
    watch(EPOLL_CTL_ADD, redis, EPOLLIN, &redis);
    for (;;) {
        int count = epoll_wait(event_queue, events, 256, -1);
        for (int i = 0; i < count; i++) {
            void *who = events[i].data.ptr;
            if (who == &listening) accept_all(listening);
            else if (who == &redis) on_redis(redis);
            else on_client(who, events[i].events);
        }
    }
}
