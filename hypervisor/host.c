#include "hypervisor/host.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* Does the head of the command line hold this text as an argument's beginning? */
static bool cmdline_has(const char *pid, const char *text)
{
	mc_autofree char *path = mc_strf("/proc/%s/cmdline", pid);
	FILE *f = fopen(path, "re");
	char head[CMDLINE_HEAD];
	size_t n = f ? fread(head, 1, sizeof(head) - 1, f) : 0;
	size_t len = strlen(text);

	if (f)
		fclose(f);
	head[n] = '\0';
	for (size_t at = 0; at < n; at += strlen(head + at) + 1)
		if (strncmp(head + at, text, len) == 0)
			return true;
	return false;
}

pid_t host_qemu_pid(const char *instance_id)
{
	mc_autofree char *guest = mc_strf("guest=%s,", instance_id);
	DIR *proc = opendir("/proc");
	struct dirent *e;
	pid_t found = 0;

	while (proc && !found && (e = readdir(proc)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && cmdline_has(e->d_name, guest))
			found = (pid_t)strtol(e->d_name, NULL, 10);
	if (proc)
		closedir(proc);
	return found;
}
