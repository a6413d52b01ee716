/* Loaded into libvirtd (LD_PRELOAD): a numbered point before each command that it sends to a QEMU, or to an agent
 * in a guest, and before it writes down what a domain is like. There it asks the socket that MINICLOUD_CRASH names, as
 * common/crash.h does: it sends "libvirtd qmp:COMMAND", "libvirtd agent:COMMAND" or "libvirtd save:domain", and waits for a
 * byte, or for the end of the connection. A block node's driver stands behind the command that makes it. In any other program
 * nothing happens. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define COMMAND_MAX 64

typedef ssize_t write_fn(int fd, const void *data, size_t n);
typedef int rename_fn(const char *from, const char *to);

static void ask(const char *kind, const char *command, size_t n)
{
	const char *path = getenv("MINICLOUD_CRASH");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	char text[2 * COMMAND_MAX], go;
	int fd;

	if (!path || *path != '/' || strlen(path) >= sizeof(to.sun_path))
		return;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	memcpy(to.sun_path, path, strlen(path) + 1);
	snprintf(text, sizeof(text), "libvirtd %s:%.*s", kind, (int)n, command);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 && send(fd, text, strlen(text), MSG_NOSIGNAL) > 0)
		(void)!recv(fd, &go, 1, 0);
	close(fd);
}

/* A block node is made of a file, and another one of its format. The command's name with the driver. */
static size_t with_driver(const char *data, size_t n, char text[COMMAND_MAX])
{
	static const char before[] = "\"driver\":\"";
	const char *driver = memmem(data, n, before, sizeof(before) - 1);

	if (!driver)
		return 0;
	driver += sizeof(before) - 1;
	n -= (size_t)(driver - data);
	for (size_t i = 0; i < n && i < COMMAND_MAX / 2; i++)
		if (driver[i] == '"')
			return (size_t)snprintf(text, COMMAND_MAX, "blockdev-add-%.*s", (int)i, driver);
	return 0;
}

/* The command that a message begins with: {"execute":"COMMAND". */
static void look(const char *data, size_t n)
{
	static const char before[] = "{\"execute\":\"";
	const char *name = data + sizeof(before) - 1, *end;
	char made[COMMAND_MAX];
	size_t most;

	if (n < sizeof(before) || memcmp(data, before, sizeof(before) - 1) != 0)
		return;
	most = n - (sizeof(before) - 1);
	end = memchr(name, '"', most < COMMAND_MAX ? most : COMMAND_MAX);
	if (end && strncmp(name, "blockdev-add", (size_t)(end - name)) == 0 && (most = with_driver(data, n, made)) > 0)
		ask("qmp", made, most);
	else if (end)
		ask(strncmp(name, "guest-", 6) == 0 ? "agent" : "qmp", name, (size_t)(end - name));
}

static int is_libvirtd(void)
{
	return strcmp(program_invocation_short_name, "libvirtd") == 0;
}

ssize_t write(int fd, const void *data, size_t n)
{
	static write_fn *next;
	int kept = errno;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "write");
	if (is_libvirtd())
		look(data, n);
	errno = kept;
	return next(fd, data, n);
}

int rename(const char *from, const char *to)
{
	static rename_fn *next;
	size_t n = strlen(to);

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "rename");
	if (is_libvirtd() && strstr(to, "/qemu/") && n > 4 && strcmp(to + n - 4, ".xml") == 0)
		ask("save", "domain", 6);
	return next(from, to);
}
