/* The life of a connection. At most --in-flight of them are between connect() and ready at a time. */
#define _GNU_SOURCE
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct client *clients;
int ready_count, failed_count, dropped_count, stalled_dropped_count;
int recoverable_count, away_count, recovered_count, fresh_count;
int event_queue;

static struct sockaddr_in target;
static int next_client, under_way, returning_count;
static uint64_t missed_by_each;
static uint8_t *received;

void open_clients(void) {
    target.sin_family = AF_INET;
    target.sin_port = htons(options.port);
    if (inet_pton(AF_INET, options.host, &target.sin_addr) != 1) give_up("bad host %s", options.host);
    clients = calloc(options.clients, sizeof *clients);
    received = malloc(RECEIVE_ROOM);
    if (!clients || !received) give_up("out of memory");
    start_more();
}

static void listen_for(struct client *c, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(event_queue, operation, c->fd, &event) < 0) give_up("epoll: %s", strerror(errno));
}

void start_more(void) {
    while (next_client < options.clients && under_way < options.in_flight) {
        long number = next_client++;
        struct client *c = &clients[number];
        if (c->state != UNBORN && c->state != AWAY) continue;
        c->returning = c->state == AWAY;
        c->transport = options.poll_every && number % options.poll_every == 0 ? POLLING : WEBSOCKET;
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (c->fd < 0) give_up("socket: %s (raise ulimit -n)", strerror(errno));
        under_way++;
        int one = 1;
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->state = CONNECTING;
        listen_for(c, EPOLL_CTL_ADD, EPOLLOUT);
        if (connect(c->fd, (struct sockaddr *)&target, sizeof target) < 0 && errno != EINPROGRESS)
            lose(c, strerror(errno));
    }
}

/* Once every client has come back, the deliveries to expect are those to clients with the session they had. */
static void settle_return(struct client *c) {
    c->returning = 0;
    if (c->recovered) recovered_count++;
    else if (c->state == READY) fresh_count++;
    note_return();
    if (!--returning_count) expect(missed_by_each * recovered_count, 0);
}

int is_gone(const struct client *c) { return c->state == CLOSED || c->state == AWAY; }

void become_ready(struct client *c) {
    c->state = READY;
    ready_count++;
    under_way--;
    if (c->returning) settle_return(c);
    start_more();
}

void lose(struct client *c, const char *why) {
    if (is_gone(c)) return;
    int was = c->state, goes_away = was == READY && c->memory;
    if (failed_count + dropped_count < 5 && was != STALLED && !goes_away)
        fprintf(stderr, "load: client %ld: %s (state %d)\n", (long)(c - clients), why, was);
    close(c->fd);
    free(c->kept);
    forget_poller(c);
    c->kept = NULL;
    c->kept_size = c->kept_room = 0;
    c->state = goes_away ? AWAY : CLOSED;
    if (goes_away) {
        away_count++;
        ready_count--;
        c->recovered = 0;
    } else if (was == READY) dropped_count++;
    else if (was == STALLED) stalled_dropped_count++;
    else {
        failed_count++;
        under_way--;
        if (c->returning) settle_return(c);
        start_more();
    }
}

/* Stop reading for the last clients. */
void stall(int count) {
    for (int i = options.clients - 1; i >= 0 && count > 0; i--, count--) {
        if (clients[i].state != READY) continue;
        clients[i].state = STALLED;
        listen_for(&clients[i], EPOLL_CTL_MOD, EPOLLRDHUP);
    }
}

/* Let the stalled clients read again, and discard the data. The server's close comes after all data that it
 * sent before, so only a client that reads notices that it was disconnected. */
void resume(void) {
    for (int i = 0; i < options.clients; i++)
        if (clients[i].state == STALLED) listen_for(&clients[i], EPOLL_CTL_MOD, EPOLLIN);
}

/* Cut the connection of every client that can come back. */
void cut_all(void) {
    for (int i = 0; i < options.clients; i++)
        if (clients[i].state == READY && clients[i].memory) lose(&clients[i], "cut");
}

/* Connect all clients that are away to another port. Each of them missed so many messages. */
void come_back(int port, uint64_t missed) {
    target.sin_port = htons(port);
    options.port = port;
    missed_by_each = missed;
    returning_count = away_count;
    away_count = recovered_count = fresh_count = next_client = 0;
    note_departure();
    if (returning_count) start_more();
    else expect(0, 0);
}

static void discard(struct client *c) {
    ssize_t size = recv(c->fd, received, RECEIVE_ROOM, 0);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) lose(c, "ended by the server");
}

static void keep(struct client *c, const uint8_t *data, size_t size) {
    if (size > c->kept_room) {
        free(c->kept);
        c->kept_room = size < 256 ? 256 : size * 2;
        if (!(c->kept = malloc(c->kept_room))) give_up("out of memory");
    }
    if (size) memcpy(c->kept, data, size);
    c->kept_size = size;
}

static void on_readable(struct client *c) {
    size_t before = c->kept_size;
    if (before == RECEIVE_ROOM) {
        lose(c, "more than fits in one message");
        return;
    }
    if (before) memcpy(received, c->kept, before);
    ssize_t size = recv(c->fd, received + before, RECEIVE_ROOM - before, 0);
    if (size <= 0) {
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
        lose(c, size ? strerror(errno) : "closed by the server");
        return;
    }
    count_read(size);
    uint64_t now = now_ns();
    size_t have = before + size, taken;
    taken = (c->transport == POLLING ? take_responses : take_frames)(c, received, have, now);
    if (!is_gone(c)) keep(c, received + taken, have - taken);
    publish_progress();
}

static void on_connected(struct client *c) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        lose(c, strerror(error));
        return;
    }
    listen_for(c, EPOLL_CTL_MOD, EPOLLIN);
    if (c->transport == POLLING) request_open(c);
    else request_upgrade(c);
}

void on_event(struct client *c, uint32_t events) {
    if (is_gone(c)) return;
    if (c->state == CONNECTING) on_connected(c);
    else if (c->state != STALLED) on_readable(c);
    else if (events & EPOLLIN) discard(c);
    else lose(c, "ended by the server"); /* a client that does not read gets no other event */
}
