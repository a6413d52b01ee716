/*
 * imds - read the instance metadata service, version 2.
 *
 *   imds PATH               print /latest/PATH
 *   imds -d DIR PATH...     write each into DIR, under its last component;
 *                           what the service does not have leaves no file
 *   -w                      wait until the service answers
 *
 * A PUT fetches the session token, then each GET carries it. Waiting is led
 * by the kernel's news of addresses and routes, since these are what is
 * missing while an instance starts; a growing delay covers the rest.
 *
 * Exit status: 0 all found, 1 something is not there, 2 no answer.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#define ADDRESS "169.254.169.254"
#define PORT 80
#define TOKEN_TTL "21600"
#define TOKEN_MAX 512
#define ANSWER_MAX (256 * 1024) /* user data has at most 16 KiB */
#define REQUEST_TIMEOUT_S 3
#define RETRY_MIN_MS 250
#define RETRY_MAX_MS 4000

enum {
        EXIT_NOT_FOUND = 1,
        EXIT_NO_ANSWER = 2,
};

struct answer {
        int status; /* HTTP */
        const char *body;
        size_t body_size;
        size_t size;
        char data[ANSWER_MAX + 1];
};

static int service_connect(void) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(PORT) };
        struct timeval timeout = { .tv_sec = REQUEST_TIMEOUT_S };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -1;
        inet_pton(AF_INET, ADDRESS, &address.sin_addr);
        (void) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                (void) close(fd);
                return -1;
        }
        return fd;
}

static bool write_all(int fd, const char *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return false;
                data += n;
                size -= (size_t) n;
        }
        return true;
}

/* The length that the header promises, or -1: then the end of the stream is the end of the body. */
static long header_length(const char *header) {
        const char *field = strcasestr(header, "\r\nContent-Length:");

        return field ? strtol(field + strlen("\r\nContent-Length:"), NULL, 10) : -1;
}

/* True once the answer is whole; an answer cut short is no answer. */
static bool answer_parse(struct answer *a, bool at_end) {
        char *end;
        long length;

        a->data[a->size] = '\0';
        end = strstr(a->data, "\r\n\r\n");
        if (!end || sscanf(a->data, "HTTP/1.%*d %d", &a->status) != 1)
                return false;
        a->body = end + 4;
        a->body_size = a->size - (size_t) (a->body - a->data);
        *end = '\0'; /* search the header alone */
        length = header_length(a->data);
        *end = '\r';
        if (length < 0)
                return at_end;
        if (a->body_size < (size_t) length)
                return false;
        a->body_size = (size_t) length;
        return true;
}

static bool answer_read(int fd, struct answer *ret) {
        ret->size = 0;
        for (;;) {
                ssize_t n = read(fd, ret->data + ret->size, ANSWER_MAX - ret->size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return false;
                ret->size += (size_t) n;
                if (answer_parse(ret, n == 0))
                        return true;
                if (n == 0)
                        return false; /* the end, or the buffer is full */
        }
}

/* HTTP/1.0, so that the answer comes in one piece and the server closes. */
static bool request(const char *method, const char *path, const char *field, struct answer *ret) {
        char text[1024 + TOKEN_MAX];
        bool ok;
        int fd, n;

        n = snprintf(text, sizeof(text), "%s /latest/%s HTTP/1.0\r\nHost: " ADDRESS "\r\n%s\r\n",
                     method, path, field);
        if (n < 0 || (size_t) n >= sizeof(text))
                return false;
        fd = service_connect();
        if (fd < 0)
                return false;
        ok = write_all(fd, text, (size_t) n) && answer_read(fd, ret);
        (void) close(fd);
        return ok;
}

/* Makes the header field for the GETs. Without tokens (an older service) it is empty. */
static bool token_get(struct answer *a, char *ret_field, size_t size) {
        int n;

        if (!request("PUT", "api/token", "X-aws-ec2-metadata-token-ttl-seconds: " TOKEN_TTL "\r\n"
                     "Content-Length: 0\r\n", a))
                return false;
        if (a->status == 404 || a->status == 405) {
                *ret_field = '\0';
                return true;
        }
        if (a->status != 200 || a->body_size == 0 || a->body_size > TOKEN_MAX ||
            memchr(a->body, '\r', a->body_size) || memchr(a->body, '\n', a->body_size))
                return false;
        n = snprintf(ret_field, size, "X-aws-ec2-metadata-token: %.*s\r\n", (int) a->body_size, a->body);
        return n > 0 && (size_t) n < size;
}

static const char *last_component(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static bool body_store(int dir, const char *path, const struct answer *a) {
        const char *name = last_component(path);
        bool ok;
        int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0) {
                perror(name);
                return false;
        }
        ok = write_all(fd, a->body, a->body_size);
        (void) close(fd);
        return ok;
}

/* dir is -1 for standard output. Returns an exit status. */
static int fetch(struct answer *a, const char *field, const char *path, int dir) {
        if (!request("GET", path, field, a))
                return EXIT_NO_ANSWER;
        if (dir >= 0)
                (void) unlinkat(dir, last_component(path), 0);
        if (a->status == 404)
                return EXIT_NOT_FOUND;
        if (a->status != 200)
                return EXIT_NO_ANSWER; /* an expired token, a service that is starting */
        if (dir < 0)
                return write_all(STDOUT_FILENO, a->body, a->body_size) ? EXIT_SUCCESS : EXIT_NO_ANSWER;
        return body_store(dir, path, a) ? EXIT_SUCCESS : EXIT_NO_ANSWER;
}

static int fetch_all(struct answer *a, char *const paths[], int dir) {
        char field[TOKEN_MAX + 64];
        int result = EXIT_SUCCESS;

        if (!token_get(a, field, sizeof(field)))
                return EXIT_NO_ANSWER;
        for (; *paths; paths++) {
                int r = fetch(a, field, *paths, dir);

                if (r == EXIT_NO_ANSWER)
                        return r;
                if (r != EXIT_SUCCESS)
                        result = r;
        }
        return result;
}

static int route_news_open(void) {
        struct sockaddr_nl address = {
                .nl_family = AF_NETLINK,
                .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE,
        };
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

        if (fd >= 0)
                (void) bind(fd, (struct sockaddr *) &address, sizeof(address));
        return fd;
}

/* True at news of an address or a route, false after the delay. */
static bool news_wait(int news, int delay_ms) {
        struct pollfd wait = { .fd = news, .events = POLLIN };
        char message[4096];

        if (poll(&wait, 1, delay_ms) <= 0)
                return false;
        while (recv(news, message, sizeof(message), 0) > 0)
                continue;
        return true;
}

static int fetch_waiting(struct answer *a, char *const paths[], int dir) {
        int news = route_news_open(); /* before the first try, or what happens between is missed */
        int delay_ms = RETRY_MIN_MS, result;

        while ((result = fetch_all(a, paths, dir)) == EXIT_NO_ANSWER) {
                if (news_wait(news, delay_ms))
                        delay_ms = RETRY_MIN_MS;
                else if (delay_ms < RETRY_MAX_MS)
                        delay_ms *= 2;
        }
        (void) close(news);
        return result;
}

static void die_usage(void) {
        fprintf(stderr, "usage: imds [-w] [-d DIR] PATH...\nFor example: imds meta-data/instance-id\n");
        exit(EXIT_NO_ANSWER);
}

int main(int argc, char **argv) {
        static struct answer answer;
        bool waiting = false;
        int dir = -1, option, result;

        while ((option = getopt(argc, argv, "wd:")) != -1) {
                if (option == 'w')
                        waiting = true;
                else if (option == 'd')
                        dir = open(optarg, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                else
                        die_usage();
                if (option == 'd' && dir < 0) {
                        perror(optarg);
                        return EXIT_NO_ANSWER;
                }
        }
        if (optind == argc)
                die_usage();
        result = waiting ? fetch_waiting(&answer, argv + optind, dir)
                         : fetch_all(&answer, argv + optind, dir);
        if (result == EXIT_NO_ANSWER)
                fprintf(stderr, "imds: no answer from " ADDRESS "\n");
        return result;
}
