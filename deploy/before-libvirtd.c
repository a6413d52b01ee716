/* Before each start of libvirtd: what one that was killed has left in its notes of the running instances is put right, so that its successor
 * takes them over as they are. Two things libvirt 9.0 does not get over by itself:
 *
 * - it noted a domain before it knew the QEMU's pid: the successor would hold it as starting for ever, and nobody could
 *   use or end it. Its guest has not run yet; here it has never been begun;
 * - QEMU had switched a disk to another file, or left some out: the successor would take that disk for what it was before. QEMU
 *   itself is asked.
 *
 * Domains that are not instances are left alone, and whatever is not understood; libvirtd starts in any case. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/json.h"
#include "common/log.h"
#include "hypervisor/status.h"

#define AREA "before-libvirtd"
#define NOTE_MAX (4u << 20)
#define PATIENCE_S 5 /* with a QEMU that does not answer */
#define END_MS 10000

static const char usage_text[] =
	"usage: before-libvirtd [DIR]\n"
	"  DIR  where libvirtd notes what runs (/run/libvirt/qemu)\n";

/* --- a start that did not come to its end ------------------------------------ */

/* Is it that instance's QEMU? Numbers of processes are used again. */
static bool is_qemu_of(int pid, const char *id)
{
	mc_autofree char *path = mc_strf("/proc/%d/cmdline", pid);
	mc_autofree char *mark = mc_strf("guest=%s,", id);
	mc_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[65536];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	return n > 0 && memmem(text, (size_t)n, mark, strlen(mark));
}

static void end_qemu(int pid, const char *id)
{
	mc_auto_fd int fd = pidfd_open(pid, 0);
	struct pollfd ended = { .fd = fd, .events = POLLIN };

	if (fd < 0 || !is_qemu_of(pid, id) || pidfd_send_signal(fd, SIGKILL, NULL, 0) < 0)
		return;
	poll(&ended, 1, END_MS);
}

static void forget(const char *dir, const char *id, const char *note)
{
	mc_autofree char *path = mc_strf("%s/%s.pid", dir, id);
	mc_autofree char *text = mc_fs_read(path, 64, NULL, NULL);
	long pid = text ? strtol(text, NULL, 10) : 0;

	if (pid > 0)
		end_qemu((int)pid, id);
	unlink(note);
	mc_log(MC_LOG_WARNING, AREA, "libvirtd died while it started the guest: not begun", "instance", id, NULL);
}

/* --- QEMU's monitor ---------------------------------------------------------- */

static FILE *monitor_open(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	mc_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(to.sun_path))
		return NULL;
	memcpy(to.sun_path, path, strlen(path) + 1);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return NULL;
	return fdopen(MC_STEAL_FD(fd), "r");
}

/* The member of the next message that has it; what else QEMU tells meanwhile is dropped. NULL: it tells nothing more, or an error. New reference. */
static json_t *hear(FILE *monitor, const char *member)
{
	for (;;) {
		mc_auto_json json_t *said = json_loadf(monitor, JSON_DISABLE_EOF_CHECK, NULL);

		if (!said || json_object_get(said, "error"))
			return NULL;
		if (json_object_get(said, member))
			return json_incref(json_object_get(said, member));
	}
}

static json_t *ask(FILE *monitor, const char *question)
{
	return dprintf(fileno(monitor), "%s\n", question) > 0 ? hear(monitor, "return") : NULL;
}

/* Has QEMU nothing to do but run the guest? libvirtd sees to the files of a job itself; and while a pull has come to its end, unacknowledged,
 * QEMU 7.2 dies of query-named-block-nodes. */
static bool is_idle(FILE *monitor)
{
	mc_auto_json json_t *ready = ask(monitor, "{\"execute\": \"qmp_capabilities\"}");
	mc_auto_json json_t *jobs = ready ? ask(monitor, "{\"execute\": \"query-jobs\"}") : NULL;

	return json_is_array(jobs) && json_array_size(jobs) == 0;
}

/* {blocks, nodes, graph}; NULL where QEMU does not answer, or is at work. */
static json_t *ask_all(const char *path)
{
	static const struct { const char *name, *question; } rows[] = {
		{ "blocks", "{\"execute\": \"query-block\"}" },
		{ "nodes", "{\"execute\": \"query-named-block-nodes\", \"arguments\": {\"flat\": true}}" },
		{ "graph", "{\"execute\": \"x-debug-query-block-graph\"}" },
	};
	FILE *monitor = monitor_open(path);
	mc_auto_json json_t *greeting = monitor ? hear(monitor, "QMP") : NULL;
	mc_auto_json json_t *answers = json_object();
	bool idle = greeting && is_idle(monitor);
	size_t i = 0;

	while (idle && i < MC_ARRAY_SIZE(rows)) {
		json_t *answer = ask(monitor, rows[i].question);

		if (!answer)
			break;
		json_object_set_new(answers, rows[i].name, answer);
		i++;
	}
	if (monitor)
		fclose(monitor);
	return i == MC_ARRAY_SIZE(rows) ? MC_STEAL(answers) : NULL;
}

/* --- one note ---------------------------------------------------------------- */

static void mend(const char *id, const char *note, const char *xml, const char *monitor)
{
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *answers = ask_all(monitor);
	mc_autofree char *mended = NULL;
	size_t n = 0;

	if (!answers) {
		mc_log(MC_LOG_WARNING, AREA, "QEMU does not say what it has, or has jobs", "instance", id, NULL);
		return;
	}
	mended = status_mend(xml, answers, &n, &err);
	if (mended && mc_fs_write(note, mended, strlen(mended), 0600, &err) == 0)
		mc_logf(MC_LOG_WARNING, AREA, "libvirtd had not noted the files of %zu disks of %s", n, id);
	else if (err)
		mc_log(MC_LOG_WARNING, AREA, "the note stays as it is", "instance", id, "reason", mc_err_msg(err), NULL);
}

static void look_at(const char *dir, const char *id)
{
	mc_autofree char *note = mc_strf("%s/%s.xml", dir, id);
	mc_auto_err mc_err *err = NULL;
	mc_autofree char *xml = mc_fs_read(note, NOTE_MAX, NULL, &err);
	mc_autofree char *monitor = NULL;
	int pid = 0;

	if (xml)
		monitor = status_monitor(xml, &pid, &err);
	if (err)
		mc_log(MC_LOG_WARNING, AREA, "left alone", "instance", id, "reason", mc_err_msg(err), NULL);
	else if (pid == 0)
		forget(dir, id, note);
	else if (monitor && is_qemu_of(pid, id))
		mend(id, note, xml, monitor);
}

int main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : "/run/libvirt/qemu";
	DIR *listing;
	struct dirent *entry;

	if (argc > 2 || *dir == '-') {
		fputs(usage_text, stderr);
		return 2;
	}
	listing = opendir(dir);
	while (listing && (entry = readdir(listing))) {
		size_t n = strlen(entry->d_name);
		mc_autofree char *id = n > 4 && strcmp(entry->d_name + n - 4, ".xml") == 0 ? strndup(entry->d_name, n - 4) : NULL;

		if (id && mc_id_valid("i", id))
			look_at(dir, id);
	}
	if (listing)
		closedir(listing);
	return 0;
}
