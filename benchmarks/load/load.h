/* The load generator: many Socket.IO subscribers in one thread.
 *
 *   options.c      the command line
 *   clients.c      opens connections, runs each handshake, reads the data that arrives
 *   websocket.c    frames, also when several arrive together or one arrives in parts
 *   polling.c      Engine.IO 4 over HTTP long-polling
 *   packets.c      Engine.IO and Socket.IO packets, the same over both transports
 *   recovery.c     what a client keeps of its session, to come back to it
 *   measure.c      latencies, counts and the report of one measurement
 *   main.c         the event loop and its commands
 */
#ifndef LOAD_H
#define LOAD_H
#include <stddef.h>
#include <stdint.h>

enum state {
    UNBORN,
    CONNECTING, /* TCP */
    UPGRADING,  /* the WebSocket request is sent */
    OPENING,    /* waits for the Engine.IO open packet */
    JOINING,    /* waits for the namespace */
    ASKING,     /* the token is sent, waits for the answer */
    READY,
    STALLED,    /* reads nothing on purpose; after resume, reads only to notice a disconnection */
    AWAY,       /* lost its connection, and may come back to its session */
    CLOSED
};

enum transport { WEBSOCKET, POLLING, TRANSPORTS };

struct client {
    int fd;
    enum state state;
    enum transport transport;
    uint8_t *kept; /* the part of an unfinished frame or response that was read */
    uint32_t kept_size, kept_room;
    uint64_t got, last_stamp;
    struct poller *poller; /* polling only */
    struct memory *memory; /* only where the server can recover the session */
    int returning, recovered;
};

struct options {
    const char *host, *path, *token_file, *ready_marker, *progress;
    int port, clients, poll_every, in_flight, socketio, auth;
    double ready_deadline_s, life_s;
};

#define RECEIVE_ROOM (4u << 20)

extern struct options options;
extern struct client *clients;
extern int ready_count, failed_count, dropped_count, stalled_dropped_count;
extern int recoverable_count, away_count, recovered_count, fresh_count;
extern int event_queue;

/* options.c */
void parse_options(int argc, char **argv);
char *token_of(long client);
_Noreturn void give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* clients.c */
void open_clients(void);
void start_more(void);
void on_event(struct client *c, uint32_t events);
void become_ready(struct client *c);
void lose(struct client *c, const char *why);
void stall(int count);
void resume(void);
void cut_all(void);
void come_back(int port, uint64_t missed_by_each);
int is_gone(const struct client *c);

/* Consume whole frames or responses from data; return the number of bytes consumed. */
size_t take_frames(struct client *c, const uint8_t *data, size_t size, uint64_t now);
size_t take_responses(struct client *c, const uint8_t *data, size_t size, uint64_t now);

/* websocket.c */
void request_upgrade(struct client *c);
void send_frame(struct client *c, int opcode, const void *payload, size_t size);

/* polling.c */
void request_open(struct client *c);
void post_later(struct client *c, const char *packet);
void forget_poller(struct client *c);

/* packets.c */
void on_packet(struct client *c, const uint8_t *packet, size_t size, uint64_t now);
void on_upgraded(struct client *c);

/* recovery.c */
const char *connect_packet(struct client *c);
int take_session(struct client *c, const uint8_t *packet, size_t size);
void keep_offset(struct client *c, const uint8_t *packet, size_t size);

/* measure.c */
uint64_t now_ns(void);
void share_progress(const char *file);
void publish_progress(void);
void arm(uint64_t expected, double deadline_s);
void expect(uint64_t deliveries, double seconds);
void note_departure(void);
void note_return(void);
void count_delivery(struct client *c, uint64_t stamp, uint64_t now);
void count_unmarked(void);
void count_read(size_t size);
int is_armed(void);
int is_over(void);
void report(void);

#endif
