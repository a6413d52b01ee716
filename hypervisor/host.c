#include "hypervisor/host.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"

#define MEMINFO_MAX 65536
#define CMDLINE_HEAD 4096

/* The KiB of a line "Name:   123 kB"; -1 where it is missing. */
static int64_t meminfo_kib(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = text; line && *line;) {
		if (strncmp(line, name, n) == 0 && line[n] == ':')
			return strtoll(line + n + 1, NULL, 10);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return -1;
}

int host_memory_read(const char *path, struct host_memory *ret, mc_err **err)
{
	mc_autofree char *text = mc_fs_read(path, MEMINFO_MAX, NULL, err);
	int64_t total, available;

	if (!text)
		return -1;
	total = meminfo_kib(text, "MemTotal");
	available = meminfo_kib(text, "MemAvailable");
	if (total < 0 || available < 0)
		return mc_err_set(err, 0, "%s has no MemTotal or MemAvailable", path);
	*ret = (struct host_memory){ total / 1024, available / 1024 };
	return 0;
}

int host_cpus(void)
{
	return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

/* The megabytes of "512", "512M", "size=524288k,slots=2,...". */
static int64_t read_memory(const char *text)
{
	static const char prefix[] = "size=";
	int64_t n;
	char *end;

	if (strncmp(text, prefix, sizeof(prefix) - 1) == 0)
		text += sizeof(prefix) - 1;
	n = strtoll(text, &end, 10);
	switch (*end) {
	case 'k': case 'K': return n >> 10;
	case 'g': case 'G': return n << 10;
	default: return n;
	}
}

/* From the head of a command line: arguments that each end with a NUL, another one behind them. */
static bool read_arguments(char *head, size_t n, struct host_qemu *ret)
{
	static const char name[] = "guest=";
	bool memory_next = false;

	for (size_t at = 0, len; at < n; at += len + 1) {
		len = strlen(head + at);
		if (memory_next)
			ret->memory_mib = read_memory(head + at);
		memory_next = strcmp(head + at, "-m") == 0;
		if (!ret->guest && strncmp(head + at, name, sizeof(name) - 1) == 0) {
			ret->guest = head + at + sizeof(name) - 1;
			head[at + strcspn(head + at, ",")] = '\0';
		}
	}
	return ret->guest != NULL;
}

/* head: room for what *ret points to. False where the process is none, or has ended. */
static bool read_qemu(const char *proc, const char *pid, char head[CMDLINE_HEAD], struct host_qemu *ret)
{
	mc_autofree char *path = mc_strf("%s/%s/cmdline", proc, pid);
	FILE *f = fopen(path, "re");
	struct stat st;
	size_t n = 0;

	if (!f)
		return false;
	if (fstat(fileno(f), &st) == 0)
		n = fread(head, 1, CMDLINE_HEAD - 1, f);
	fclose(f);
	head[n] = '\0';
	*ret = (struct host_qemu){ .pid = (pid_t)strtol(pid, NULL, 10), .uid = n ? st.st_uid : (uid_t)-1 };
	return read_arguments(head, n, ret);
}

void host_each_qemu(const char *proc, bool (*fn)(void *ctx, const struct host_qemu *qemu), void *ctx)
{
	DIR *dir = opendir(proc);
	char head[CMDLINE_HEAD];
	struct host_qemu qemu;
	struct dirent *e;
	bool more = true;

	while (dir && more && (e = readdir(dir)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && read_qemu(proc, e->d_name, head, &qemu))
			more = fn(ctx, &qemu);
	if (dir)
		closedir(dir);
}

int64_t host_anonymous_mib(const char *proc, pid_t pid)
{
	mc_autofree char *path = mc_strf("%s/%d/status", proc, (int)pid);
	mc_autofree char *text = mc_fs_read(path, MEMINFO_MAX, NULL, NULL);
	int64_t kib = text ? meminfo_kib(text, "RssAnon") : 0;

	return kib > 0 ? kib / 1024 : 0;
}

struct search {
	const char *guest;
	pid_t found;
};

static bool is_it(void *ctx, const struct host_qemu *qemu)
{
	struct search *s = ctx;

	if (strcmp(qemu->guest, s->guest) == 0)
		s->found = qemu->pid;
	return s->found == 0;
}

pid_t host_qemu_pid(const char *instance_id)
{
	struct search s = { .guest = instance_id };

	host_each_qemu("/proc", is_it, &s);
	return s.found;
}
