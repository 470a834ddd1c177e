/* Asks a server over HTTP/1.1 or a WebSocket, in a closed or an open loop; costs little processor time.

     generator PORT SECONDS LOOP CLIENTS RATE OPENING MESSAGE...

   LOOP     closed: each of CLIENTS connections asks again when it has its answer;
            poisson: RATE requests a second, at random; burst: CLIENTS at once, RATE times a second.
            An open loop opens a connection where none is free; what is due waits for nobody.
   OPENING  file of an upgrade, and of the hello that follows its answer; - for HTTP
   MESSAGE  files of whole requests, or frames whose mask is 0, sent in turn

   Each outcome goes to stdout as three doubles: when it was due, when it came, its status (0: none came). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4096, HEAD = 64, ROOM = 1 << 16, EVENTS = 256 };
#define GRACE_S 10.0

typedef struct {
    char *bytes;
    size_t size;
} Blob;

typedef struct {
    int fd, ready, upgraded, busy, last; /* last: the server closes after its answer */
    Blob out;          /* what is being sent; its first HEAD bytes are a copy, for a frame's number */
    char head[HEAD];
    size_t sent, got;
    uint64_t number;
    double due;
    char in[ROOM];
} Connection;

static Connection *all[MOST], *idle[MOST];
static int connections, idles, poll_fd, port, messages;
static size_t asked, ended;
static Blob upgrade, hello, *message;
static double began;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9 - began;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static Blob read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) fail(path);
    Blob blob = {NULL, (size_t)ftell(file)};
    rewind(file);
    blob.bytes = malloc(blob.size);
    if (fread(blob.bytes, 1, blob.size, file) != blob.size) fail(path);
    fclose(file);
    return blob;
}

static int is_free(const Connection *c) { return c->ready && !c->busy && c->sent == c->out.size; }

static void note(Connection *c, int status) {
    double outcome[3] = {c->due, now(), status};
    fwrite(outcome, sizeof outcome, 1, stdout);
    ended++;
    c->busy = 0;
}

static void write_more(Connection *c) {
    size_t head = c->out.size < HEAD ? c->out.size : HEAD;
    while (c->sent < c->out.size) {
        size_t in_head = c->sent < head ? head - c->sent : 0, from = c->sent + in_head;
        struct iovec parts[2] = {{c->head + c->sent, in_head}, {c->out.bytes + from, c->out.size - from}};
        ssize_t n = writev(c->fd, parts, 2);
        if (n < 0) return; /* it goes on when there is room, and a broken one is seen by reading */
        c->sent += (size_t)n;
    }
}

static void begin(Connection *c, Blob what) {
    c->out = what;
    c->sent = 0;
    memcpy(c->head, what.bytes, what.size < HEAD ? what.size : HEAD);
    if (c->busy && c->upgraded) {
        int length = what.bytes[1] & 0x7f;
        memcpy(c->head + 2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + 4 + 8, &c->number, 8);
        c->number++;
    }
    write_more(c);
}

static void ask(Connection *c, double due) {
    c->due = due;
    c->busy = 1;
    begin(c, message[asked++ % (size_t)messages]);
}

static Connection *open_one(void) {
    if (connections == MOST) return NULL;
    Connection *c = calloc(1, sizeof *c);
    struct sockaddr_in to = {AF_INET, htons((uint16_t)port), {htonl(INADDR_LOOPBACK)}, {0}};
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event);
    c->ready = !upgrade.size;
    if (upgrade.size) begin(c, upgrade);
    return all[connections++] = c;
}

static void drop(Connection *c) {
    if (c->busy) note(c, 0);
    close(c->fd);
    for (int i = 0; i < connections; i++)
        if (all[i] == c) all[i] = all[--connections];
    for (int i = 0; i < idles; i++)
        if (idle[i] == c) idle[i] = idle[--idles];
    free(c);
}

/* Bytes of the message at the beginning of what came, and its status; 0 where it is not whole.
   What answers no request, such as an upgrade, a welcome or a ping, has a status below 200. */
static size_t first_message(Connection *c, int *status) {
    const unsigned char *in = (unsigned char *)c->in;
    c->in[c->got] = 0;
    if (!c->upgraded) {
        char *end = strstr(c->in, "\r\n\r\n"), *length = strcasestr(c->in, "\r\ncontent-length:");
        if (!end) return 0;
        *status = atoi(c->in + 9);
        char *close = strcasestr(c->in, "\r\nconnection: close");
        c->last = close && close < end;
        size_t size = (size_t)(end + 4 - c->in);
        if (length && length < end) size += strtoul(length + 17, NULL, 10);
        if (size > c->got) return 0;
        if ((c->upgraded = *status == 101)) begin(c, hello);
        return size;
    }
    size_t head = 2, size = in[1] & 0x7f;
    if (size == 126) head = 4, size = (size_t)in[2] << 8 | in[3];
    if (c->got < 4 || c->got < head + size) return 0;
    const char *text = c->in + head;
    if ((in[0] & 0x0f) != 1 || !strncmp(text, "{\"type\":\"welcome\"", 17))
        *status = 100;
    else
        *status = strncmp(text, "{\"type\":\"error\"", 15) ? 200 : atoi(strstr(text, "\"status\":") + 9);
    c->ready = 1;
    return head + size;
}

static void serve(Connection *c) {
    int was_free = is_free(c), status = 0;
    write_more(c);
    for (size_t size;;) {
        ssize_t n = read(c->fd, c->in + c->got, ROOM - 1 - c->got);
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0) {
            drop(c);
            return;
        }
        c->got += (size_t)n;
        while (c->got && (size = first_message(c, &status))) {
            memmove(c->in, c->in + size, c->got -= size);
            if (status >= 200 && c->busy) note(c, status);
            if (c->last) {
                drop(c);
                return;
            }
        }
    }
    if (!was_free && is_free(c)) idle[idles++] = c;
}

int main(int count, char **given) {
    if (count < 8) return fputs("generator PORT SECONDS LOOP CLIENTS RATE OPENING MESSAGE...\n", stderr), 2;
    port = atoi(given[1]);
    double seconds = atof(given[2]), rate = atof(given[5]), due = 0;
    int closed = *given[3] == 'c', burst = *given[3] == 'b', clients = atoi(given[4]), left = burst ? clients : 1;
    if (strcmp(given[6], "-")) {
        Blob opening = read_file(given[6]);
        char *end = (char *)memmem(opening.bytes, opening.size, "\r\n\r\n", 4) + 4;
        upgrade = (Blob){opening.bytes, (size_t)(end - opening.bytes)};
        hello = (Blob){end, opening.size - upgrade.size};
    }
    message = calloc((size_t)(messages = count - 7), sizeof *message);
    for (int i = 0; i < messages; i++) message[i] = read_file(given[7 + i]);
    poll_fd = epoll_create1(0);
    began = now();
    for (double time; (time = now()) < seconds || (ended < asked && time < seconds + GRACE_S);) {
        while (closed && time < seconds && connections < clients) {
            Connection *c = open_one();
            if (c->ready) idle[idles++] = c;
        }
        while (closed && time < seconds && idles) ask(idle[--idles], time);
        while (!closed && due <= time && due < seconds) {
            Connection *c = idles ? idle[--idles] : open_one();
            if (!c) break;
            ask(c, due);
            if (--left) continue;
            left = burst ? clients : 1;
            due += burst ? 1 / rate : -log((double)(random() + 1.0) / (RAND_MAX + 1.0)) / rate;
        }
        double pause = closed || due > seconds ? 0.1 : fmin(0.1, fmax(0, due - now()));
        struct timespec most = {0, (long)(pause * 1e9)};
        struct epoll_event events[EVENTS];
        int n = epoll_pwait2(poll_fd, events, EVENTS, &most, NULL);
        for (int i = 0; i < n; i++) serve(events[i].data.ptr);
    }
    for (int i = 0; i < connections; i++)
        if (all[i]->busy) note(all[i], 0);
    return fflush(stdout) ? 1 : 0;
}
