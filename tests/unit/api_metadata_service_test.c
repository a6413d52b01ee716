/* The metadata service over real sockets: a stand-in for netd hands out
 * listening sockets on loopback, the guest is whoever connects from 127.0.0.x. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/metadata.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fdpass.h"
#include "common/fs.h"
#include "common/ipc.h"

#define GET "GET /latest/meta-data/instance-id HTTP/1.0\r\n"

struct fixture {
	char dir[64];
	char *database, *socket;
	struct api api;
	char vpc[MC_ID_LEN], instance[MC_ID_LEN];
	struct metadata *m;
	pthread_t netd;
	int netd_listen;
	_Atomic int asked;
	struct sockaddr_in address; /* of the last socket handed out */
};

/* --- netd's stand-in --------------------------------------------------------- */

/* An address of our own: where we have closed a socket, nobody else is to listen. */
static in_addr_t own_address(void)
{
	return htonl(INADDR_LOOPBACK + ((in_addr_t)getpid() & 0x3fffff) * 4);
}

static int loopback_listener(struct sockaddr_in *ret)
{
	socklen_t len = sizeof(*ret);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = own_address() };
	assert_return_code(bind(fd, (struct sockaddr *)ret, sizeof(*ret)), 0);
	assert_return_code(listen(fd, 64), 0);
	assert_return_code(getsockname(fd, (struct sockaddr *)ret, &len), 0);
	return fd;
}

static void serve_question(struct fixture *f, int sock)
{
	mc_auto_json json_t *question = NULL, *yes = json_pack("{s:b}", "ok", 1);
	mc_auto_json json_t *no = json_pack("{s:b, s:s, s:s}", "ok", 0, "outcome", "not_found", "message",
					    "no such VPC");
	int fd = -1;

	if (mc_fdpass_recv(sock, &question, &fd, NULL) != 0)
		return;
	if (strcmp(json_string_value(json_object_get(question, "vpc")), f->vpc) != 0) {
		mc_fdpass_send(sock, no, -1, NULL);
		return;
	}
	f->asked++;
	fd = loopback_listener(&f->address);
	mc_fdpass_send(sock, yes, fd, NULL);
	close(fd);
}

static void *netd_run(void *arg)
{
	struct fixture *f = arg;
	int sock;

	while ((sock = accept(f->netd_listen, NULL, NULL)) >= 0) {
		serve_question(f, sock);
		close(sock);
	}
	return NULL;
}

/* --- the store --------------------------------------------------------------- */

static void fill_store(struct fixture *f)
{
	struct store_tx *tx = store_write(f->api.store);
	struct resource *vpc = store_insert(tx, KIND_VPC, "000000000000", "us-east-1");
	struct resource *eni = store_insert(tx, KIND_NETWORK_INTERFACE, "000000000000", "us-east-1");
	struct resource *i = store_insert(tx, KIND_INSTANCE, "000000000000", "us-east-1");

	json_object_set_new(vpc->doc, "CidrBlock", json_string("127.0.0.0/8"));
	eni->parent = mc_strdup(vpc->id);
	json_object_update_new(eni->spec, json_pack("{s:s, s:s, s:s}", "ip", "127.0.0.1", "mac",
						    "06:00:00:00:00:01", "instance", i->id));
	i->parent = mc_strdup(vpc->id);
	i->az = mc_strdup("us-east-1a");
	json_object_update_new(i->spec, json_pack("{s:[s], s:s}", "enis", eni->id, "user_data", "aGVsbG8="));
	memcpy(f->vpc, vpc->id, sizeof(f->vpc));
	memcpy(f->instance, i->id, sizeof(f->instance));
	assert_int_equal(store_commit(tx, NULL), 0);
}

static void set_option(struct fixture *f, const char *name, const char *value)
{
	struct store_tx *tx = store_write(f->api.store);
	struct resource *i = store_edit(tx, f->instance);

	json_object_set_new(i->spec, "metadata_options", json_pack("{s:s}", name, value));
	assert_int_equal(store_commit(tx, NULL), 0);
}

static int setup(void **state)
{
	struct fixture *f = mc_alloc(sizeof(*f));

	signal(SIGPIPE, SIG_IGN);
	snprintf(f->dir, sizeof(f->dir), "/tmp/mc-metadata-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->database = mc_strf("%s/db", f->dir);
	f->socket = mc_strf("%s/netd-fd.sock", f->dir);
	f->api.config.netd_fd = f->socket;
	f->netd_listen = mc_ipc_listen(f->socket, 0600, (gid_t)-1, NULL);
	f->api.store = store_open(f->database, NULL);
	assert_non_null(f->api.store);
	fill_store(f);
	assert_int_equal(pthread_create(&f->netd, NULL, netd_run, f), 0);
	f->m = metadata_start(&f->api, NULL);
	assert_non_null(f->m);
	assert_int_equal(metadata_open(f->m, f->vpc, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	static const char *const files[] = { "db", "db-wal", "db-shm", "netd-fd.sock" };

	metadata_stop(f->m);
	store_close(f->api.store);
	shutdown(f->netd_listen, SHUT_RDWR);
	pthread_join(f->netd, NULL);
	close(f->netd_listen);
	for (size_t i = 0; i < MC_ARRAY_SIZE(files); i++) {
		mc_autofree char *path = mc_strf("%s/%s", f->dir, files[i]);

		unlink(path);
	}
	rmdir(f->dir);
	free(f->database);
	free(f->socket);
	free(f);
	return 0;
}

/* --- a guest ------------------------------------------------------------------ */

static int dial(const struct fixture *f, const char *from)
{
	struct sockaddr_in source = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(from) };
	struct timeval limit = { .tv_sec = 10 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	assert_return_code(bind(fd, (struct sockaddr *)&source, sizeof(source)), 0);
	if (connect(fd, (const struct sockaddr *)&f->address, sizeof(f->address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Send the text, read to the end; the answer, "" where there is none. Allocated. */
static char *talk(const struct fixture *f, const char *from, const char *text)
{
	char *answer = mc_alloc(8193);
	mc_auto_fd int fd = dial(f, from);
	size_t len = 0;
	ssize_t n;

	assert_true(fd >= 0);
	(void)!write(fd, text, strlen(text));
	while (len < 8192 && (n = read(fd, answer + len, 8192 - len)) > 0)
		len += (size_t)n;
	return answer;
}

static void expect(const struct fixture *f, const char *text, const char *status, const char *body)
{
	mc_autofree char *answer = talk(f, "127.0.0.1", text);
	const char *end = strstr(answer, "\r\n\r\n");

	assert_non_null(end);
	if (strncmp(answer + 9, status, 3) != 0)
		fail_msg("%s instead of %s for %s", answer, status, text);
	if (body)
		assert_string_equal(end + 4, body);
}

static void take_token(const struct fixture *f, char token[64])
{
	mc_autofree char *answer = talk(f, "127.0.0.1", "PUT /latest/api/token HTTP/1.0\r\n"
					"X-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n");
	const char *end = strstr(answer, "\r\n\r\n");

	assert_non_null(end);
	assert_non_null(strcasestr(answer, "\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n"));
	assert_int_equal(strlen(end + 4), 56);
	snprintf(token, 64, "%s", end + 4);
}

static void get(const struct fixture *f, const char *path, const char *token, const char *status,
		const char *body)
{
	mc_autofree char *text = mc_strf("GET %s HTTP/1.0\r\nX-aws-ec2-metadata-token: %s\r\n\r\n", path, token);

	expect(f, text, status, body);
}

/* --- tests -------------------------------------------------------------------- */

static void session(void **state)
{
	struct fixture *f = *state;
	char token[64];

	take_token(f, token);
	get(f, "/latest/meta-data/instance-id", token, "200", f->instance);
	get(f, "/2021-03-23/meta-data/local-ipv4", token, "200", "127.0.0.1");
	get(f, "/latest/user-data", token, "200", "hello");
	get(f, "/latest/meta-data/nothing", token, "404", NULL);
	get(f, "/1999-01-01/meta-data/", token, "404", NULL);
	token[5] ^= 1;
	get(f, "/latest/meta-data/instance-id", token, "401", NULL);
}

static void expiry_and_restart(void **state)
{
	struct fixture *f = *state;
	char token[64];

	take_token(f, token);
	metadata_stop(f->m);
	f->m = metadata_start(&f->api, NULL);
	assert_non_null(f->m);
	assert_int_equal(metadata_open(f->m, f->vpc, NULL), 0);
	get(f, "/latest/meta-data/instance-id", token, "200", f->instance);
	mc_clock_step(61 * MC_SECOND, 0);
	get(f, "/latest/meta-data/instance-id", token, "401", NULL);
	mc_clock_step(-61 * MC_SECOND, 0);
}

static void version_one(void **state)
{
	struct fixture *f = *state;

	expect(f, GET "\r\n", "401", NULL);
	set_option(f, "HttpTokens", "optional");
	expect(f, GET "\r\n", "200", f->instance);
	get(f, "/latest/meta-data/instance-id", "bad", "401", NULL);
	set_option(f, "HttpTokens", "required");
	expect(f, GET "\r\n", "401", NULL);
	f->api.config.imds_v1 = true;
	expect(f, GET "\r\n", "200", f->instance);
	f->api.config.imds_v1 = false;
	set_option(f, "HttpEndpoint", "disabled");
	expect(f, GET "\r\n", "403", NULL);
}

static void refused(void **state)
{
	static const struct { const char *text, *status; } rows[] = {
		{ "PUT /latest/api/token HTTP/1.0\r\n\r\n", "400" },
		{ "PUT /latest/api/token HTTP/1.0\r\nX-aws-ec2-metadata-token-ttl-seconds: 0\r\n\r\n", "400" },
		{ "PUT /latest/api/token HTTP/1.0\r\nX-aws-ec2-metadata-token-ttl-seconds: 21601\r\n\r\n", "400" },
		{ "PUT /latest/api/token HTTP/1.0\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n"
		  "X-Forwarded-For: 127.0.0.1\r\n\r\n", "403" },
		{ "GET /latest/api/token HTTP/1.0\r\n\r\n", "405" },
		{ "PUT /latest/meta-data/ HTTP/1.0\r\n\r\n", "405" },
		{ "DELETE /latest/meta-data/ HTTP/1.0\r\n\r\n", "405" },
		{ "POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", "405" },
	};
	struct fixture *f = *state;
	mc_autofree char *large = mc_alloc(70000);
	mc_autofree char *stranger = talk(f, "127.0.0.2", GET "\r\n");
	mc_autofree char *body = NULL, *headers = NULL;

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		expect(f, rows[i].text, rows[i].status, NULL);
	assert_non_null(strstr(stranger, " 404 "));
	memset(large, 'x', 65536);
	body = mc_strf("PUT /latest/api/token HTTP/1.0\r\nContent-Length: 65536\r\n\r\n%s", large);
	headers = mc_strf(GET "X-Long: %s\r\n\r\n", large);
	free(talk(f, "127.0.0.1", body));
	expect(f, GET "\r\n", "401", NULL);
	mc_autofree char *answer = talk(f, "127.0.0.1", headers);

	assert_null(strstr(answer, " 200 "));
}

static void one_guest_is_bounded(void **state)
{
	struct fixture *f = *state;
	int fds[40], open = 0;
	char c;

	for (size_t i = 0; i < MC_ARRAY_SIZE(fds); i++)
		fds[i] = dial(f, "127.0.0.3");
	/* A connection above the bound is closed at once; the others wait for us.
	 * They are accepted in order: when the last is closed, all are decided. */
	assert_true(recv(fds[MC_ARRAY_SIZE(fds) - 1], &c, 1, 0) <= 0);
	for (size_t i = 0; i < MC_ARRAY_SIZE(fds); i++)
		open += recv(fds[i], &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
	assert_int_equal(open, 16);
	expect(f, GET "\r\n", "401", NULL); /* another guest is served */
	for (size_t i = 0; i < MC_ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static void open_and_close(void **state)
{
	struct fixture *f = *state;
	mc_auto_fd int idle = dial(f, "127.0.0.1");
	mc_auto_fd int late = -1;
	mc_auto_err mc_err *err = NULL;
	struct pollfd end = { .fd = idle, .events = POLLIN };
	char text[4096];

	/* One answer, so that the connection is known to be served and kept alive. */
	assert_int_equal(write(idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27), 27);
	assert_true(recv(idle, text, sizeof(text), 0) > 0);
	assert_int_equal(metadata_open(f->m, f->vpc, NULL), 0);
	assert_int_equal(f->asked, 1);
	metadata_close(f->m, f->vpc);
	while (recv(idle, text, sizeof(text), MSG_DONTWAIT) > 0)
		continue;
	assert_int_equal(poll(&end, 1, 2000), 1); /* not only because it is idle: that takes five seconds */
	assert_int_equal(recv(idle, text, sizeof(text), 0), 0); /* a live connection goes with it */
	late = dial(f, "127.0.0.1");
	assert_int_equal(late, -1);
	metadata_close(f->m, f->vpc);
	assert_int_equal(metadata_open(f->m, f->vpc, NULL), 0);
	assert_int_equal(f->asked, 2);
	expect(f, GET "\r\n", "401", NULL);
	assert_int_equal(metadata_open(f->m, "vpc-00000000000000000", &err), -1);
	assert_non_null(strstr(mc_err_msg(err), "no such VPC"));
	mc_err_clear(&err);
	assert_int_equal(metadata_open(f->m, "../x", &err), -1);
}

static void *hammer(void *arg)
{
	for (int i = 0; i < 50; i++) {
		mc_autofree char *answer = talk(arg, "127.0.0.1", GET "\r\n");

		if (!strstr(answer, " 401 "))
			return (void *)1;
	}
	return NULL;
}

static void many_at_once(void **state)
{
	pthread_t threads[8];

	for (size_t i = 0; i < MC_ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, *state), 0);
	for (size_t i = 0; i < MC_ARRAY_SIZE(threads); i++) {
		void *failed = NULL;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(session, setup, teardown),
		cmocka_unit_test_setup_teardown(expiry_and_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(version_one, setup, teardown),
		cmocka_unit_test_setup_teardown(refused, setup, teardown),
		cmocka_unit_test_setup_teardown(one_guest_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(open_and_close, setup, teardown),
		cmocka_unit_test_setup_teardown(many_at_once, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
