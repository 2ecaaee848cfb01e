/* Open the clients, print READY {...}, then run the commands of stdin, one per line; end at the end of stdin.
 *
 *   run DELIVERIES DEADLINE_S    answers ARMED; prints one line of JSON when all have come, or at the deadline
 *   stall CLIENTS                stops reading for the last clients; answers STALLED
 *   resume                       reads for them again, only to notice disconnections; answers RESUMED
 *   expect DELIVERIES SECONDS    changes how many are expected, and gives so much more time; answers EXPECTED
 *   cut                          cuts the connections of all clients that can come back; answers CUT
 *   away                         answers AWAY and how many clients wait to come back
 *   return PORT MISSED           brings them back to that port; each missed so many messages; answers RETURNING
 *   quit
 *
 * Loopback only, and never longer than --life seconds.
 */
#define _GNU_SOURCE
#include "load.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define EVENTS 512

static void answer(const char *word) {
    printf("%s\n", word);
    fflush(stdout);
}

static void obey(const char *line) {
    unsigned long long deliveries;
    double deadline_s;
    int count;
    if (sscanf(line, "run %llu %lf", &deliveries, &deadline_s) == 2) {
        arm(deliveries, deadline_s);
        answer("ARMED");
    } else if (sscanf(line, "stall %d", &count) == 1) {
        stall(count);
        answer("STALLED");
    } else if (sscanf(line, "expect %llu %lf", &deliveries, &deadline_s) == 2) {
        expect(deliveries, deadline_s);
        answer("EXPECTED");
    } else if (!strcmp(line, "cut")) {
        cut_all();
        answer("CUT");
    } else if (!strcmp(line, "away")) {
        printf("AWAY %d\n", away_count);
        fflush(stdout);
    } else if (sscanf(line, "return %d %llu", &count, &deliveries) == 2) {
        answer("RETURNING");
        come_back(count, deliveries);
    } else if (!strcmp(line, "resume")) {
        resume();
        answer("RESUMED");
    } else if (!strcmp(line, "quit")) exit(0);
    else give_up("unknown command %s", line);
}

static void read_commands(void) {
    static char text[4096];
    static size_t size;
    ssize_t got = read(STDIN_FILENO, text + size, sizeof text - 1 - size);
    if (got == 0) exit(0);
    if (got < 0) return;
    size += got;
    text[size] = 0;
    char *end;
    while ((end = strchr(text, '\n'))) {
        *end = 0;
        obey(text);
        size -= end + 1 - text;
        memmove(text, end + 1, size + 1);
    }
}

/* Return true when every client is ready. End the program when a client failed. */
static int all_ready(uint64_t started) {
    double seconds = (now_ns() - started) / 1e9;
    if (ready_count + failed_count < options.clients && seconds < options.ready_deadline_s) return 0;
    printf("READY {\"ready\":%d,\"failed\":%d,\"connect_s\":%.4f,\"recoverable\":%d}\n", ready_count, failed_count,
           seconds, recoverable_count);
    fflush(stdout);
    if (ready_count < options.clients) exit(3);
    return 1;
}

static void use_all_descriptors(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
    static struct epoll_event events[EVENTS];
    parse_options(argc, argv);
    use_all_descriptors();
    share_progress(options.progress);
    event_queue = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event commands = {.events = EPOLLIN, .data.ptr = NULL};
    fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
    if (epoll_ctl(event_queue, EPOLL_CTL_ADD, STDIN_FILENO, &commands) < 0) give_up("stdin: %s", strerror(errno));

    uint64_t started = now_ns(), end_of_life = started + (uint64_t)(options.life_s * 1e9);
    int ready = 0;
    open_clients();
    for (;;) {
        int count = epoll_wait(event_queue, events, EVENTS, 20);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr) on_event(events[i].data.ptr, events[i].events);
            else read_commands();
        }
        if (!ready) ready = all_ready(started);
        else if (is_over()) report();
        if (now_ns() > end_of_life) {
            if (is_armed()) report();
            exit(4);
        }
    }
}
