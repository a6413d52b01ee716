/* Any bytes on a descriptor socket. */
#include "common/fdpass.h"

#include <sys/socket.h>

#include "common/cleanup.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int sockets[2];
	mc_auto_json json_t *doc = NULL;
	mc_auto_err mc_err *err = NULL;
	mc_auto_fd int fd = -1;
	int r;

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
	FUZZ_CHECK(send(sockets[0], data, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size || size > 65536);
	close(sockets[0]);
	r = mc_fdpass_recv(sockets[1], &doc, &fd, &err);
	FUZZ_CHECK(fd == -1 && (r == 0) == (doc != NULL) && (r < 0) == (err != NULL));
	close(sockets[1]);
	return 0;
}
