/* One measurement: arm it, count deliveries, report them as one line of JSON. Times are CLOCK_MONOTONIC. */
#define _GNU_SOURCE
#include "load.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define FINE 128 /* buckets for each power of two: less than 0.8 % error */
#define BUCKETS (64 * FINE)

struct spread {
    uint64_t count, sum_ns, max_ns, bucket[BUCKETS];
};

static struct spread spreads[TRANSPORTS], both;
static uint64_t expected, total, first_ns, last_ns, out_of_order, unmarked, stray, bytes, reads, armed_at;
static double deadline_s, cpu_at_s;
static uint64_t departed_at, returned_at, repeated;
static int armed;
static volatile uint64_t *progress;
static uint64_t unshared;

uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + now.tv_nsec;
}

static double cpu_s(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* Share the count of deliveries in a file, for a publisher that keeps a window of messages in flight. */
void share_progress(const char *file) {
    progress = &unshared;
    if (!file) return;
    int fd = open(file, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, 4096) < 0) give_up("%s: %s", file, strerror(errno));
    void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED) give_up("mmap: %s", strerror(errno));
    close(fd);
    progress = shared;
    *progress = 0;
}

void publish_progress(void) { *progress = total; }

void arm(uint64_t deliveries, double seconds) {
    memset(spreads, 0, sizeof spreads);
    total = first_ns = last_ns = out_of_order = unmarked = bytes = reads = 0;
    departed_at = returned_at = repeated = 0;
    for (int i = 0; i < options.clients; i++) clients[i].got = clients[i].last_stamp = 0;
    *progress = 0;
    expected = deliveries;
    deadline_s = seconds;
    armed = 1;
    armed_at = now_ns();
    cpu_at_s = cpu_s();
}

/* Change the expectation of the measurement under way, and give it that much time from now on. */
void expect(uint64_t deliveries, double seconds) {
    expected = deliveries;
    if (seconds > 0) deadline_s = (now_ns() - armed_at) / 1e9 + seconds;
}

void note_departure(void) { departed_at = now_ns(); }

void note_return(void) { returned_at = now_ns(); }

int is_armed(void) { return armed; }

int is_over(void) { return armed && (total >= expected || (now_ns() - armed_at) / 1e9 > deadline_s); }

static void add(struct spread *s, uint64_t ns) {
    int shift = ns < FINE ? 0 : 63 - __builtin_clzll(ns) - 6; /* ns >> shift is below FINE */
    uint64_t i = (uint64_t)shift * FINE + (ns >> shift);
    s->bucket[i < BUCKETS ? i : BUCKETS - 1]++;
    s->count++;
    s->sum_ns += ns;
    if (ns > s->max_ns) s->max_ns = ns;
}

void count_delivery(struct client *c, uint64_t stamp, uint64_t now) {
    if (!armed) {
        stray++;
        return;
    }
    add(&spreads[c->transport], now > stamp ? now - stamp : 0);
    if (stamp < c->last_stamp) out_of_order++;
    if (stamp == c->last_stamp) repeated++;
    c->last_stamp = stamp;
    c->got++;
    if (!total++) first_ns = now;
    last_ns = now;
}

void count_unmarked(void) { unmarked++; }

void count_read(size_t size) {
    reads++;
    bytes += size;
}

static double quantile_ms(const struct spread *s, double q) {
    uint64_t wanted = (uint64_t)(q * s->count + 0.5), seen = 0;
    if (wanted < 1) wanted = 1;
    for (int i = 0; i < BUCKETS && s->count; i++) {
        seen += s->bucket[i];
        if (!s->bucket[i] || seen < wanted) continue;
        int shift = i / FINE;
        uint64_t middle = ((uint64_t)(i % FINE) << shift) + ((1ull << shift) >> 1);
        return (middle < s->max_ns ? middle : s->max_ns) / 1e6;
    }
    return s->max_ns / 1e6;
}

static void print_spread(const char *name, const struct spread *s) {
    printf("\"%s\":{\"count\":%llu,\"mean\":%.3f,\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f},", name,
           (unsigned long long)s->count, s->count ? s->sum_ns / 1e6 / s->count : 0, quantile_ms(s, .5),
           quantile_ms(s, .9), quantile_ms(s, .99), s->max_ns / 1e6);
}

static void merge(void) {
    memset(&both, 0, sizeof both);
    for (int t = 0; t < TRANSPORTS; t++) {
        both.count += spreads[t].count;
        both.sum_ns += spreads[t].sum_ns;
        if (spreads[t].max_ns > both.max_ns) both.max_ns = spreads[t].max_ns;
        for (int i = 0; i < BUCKETS; i++) both.bucket[i] += spreads[t].bucket[i];
    }
}

void report(void) {
    uint64_t least = UINT64_MAX, most = 0, to_recovered = 0;
    int receivers = 0;
    for (int i = 0; i < options.clients; i++) {
        if (clients[i].got) receivers++;
        if (clients[i].state != READY) continue;
        if (clients[i].recovered) to_recovered += clients[i].got;
        if (clients[i].got < least) least = clients[i].got;
        if (clients[i].got > most) most = clients[i].got;
    }
    double wall_s = (last_ns - first_ns) / 1e9;
    merge();
    printf("{\"expected\":%llu,\"deliveries\":%llu,\"wall_s\":%.6f,", (unsigned long long)expected,
           (unsigned long long)total, wall_s);
    print_spread("latency_ms", &both);
    print_spread("websocket_ms", &spreads[WEBSOCKET]);
    print_spread("polling_ms", &spreads[POLLING]);
    uint64_t all_back = last_ns > returned_at ? last_ns : returned_at;
    printf("\"recovered\":%d,\"fresh\":%d,\"failed\":%d,\"to_recovered\":%llu,\"repeated\":%llu,"
           "\"returned_s\":%.6f,\"all_back_s\":%.6f,",
           recovered_count, fresh_count, failed_count, (unsigned long long)to_recovered, (unsigned long long)repeated,
           departed_at ? (returned_at - departed_at) / 1e9 : 0, departed_at ? (all_back - departed_at) / 1e9 : 0);
    printf("\"receivers\":%d,\"least_per_client\":%llu,\"most_per_client\":%llu,\"out_of_order\":%llu,"
           "\"unmarked\":%llu,\"stray_before\":%llu,\"dropped\":%d,\"stalled_dropped\":%d,\"bytes\":%llu,"
           "\"reads\":%llu,\"generator_cpu_s\":%.4f}\n",
           receivers, least == UINT64_MAX ? 0ull : (unsigned long long)least, (unsigned long long)most,
           (unsigned long long)out_of_order, (unsigned long long)unmarked, (unsigned long long)stray, dropped_count,
           stalled_dropped_count, (unsigned long long)bytes, (unsigned long long)reads, cpu_s() - cpu_at_s);
    fflush(stdout);
    stray = 0;
    armed = 0;
}
