#include "common/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t wall_step, boot_step;
static _Atomic bool frozen; /* the steps hold all there is to read */
static char boot_id[40];
static pthread_once_t boot_id_once = PTHREAD_ONCE_INIT;

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	if (frozen)
		return 0;
	clock_gettime(id, &ts);
	return ts.tv_sec * MC_SECOND + ts.tv_nsec;
}

int64_t mc_clock_wall(void)
{
	return read_clock(CLOCK_REALTIME) + wall_step;
}

int64_t mc_clock_boot(void)
{
	return read_clock(CLOCK_BOOTTIME) + boot_step;
}

void mc_clock_step(int64_t wall_ns, int64_t boot_ns)
{
	wall_step += wall_ns;
	boot_step += boot_ns;
}

void mc_clock_freeze(void)
{
	int64_t wall = mc_clock_wall(), boot = mc_clock_boot();

	frozen = true;
	wall_step = wall;
	boot_step = boot;
}

static void boot_id_read(void)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, boot_id, sizeof(boot_id) - 1) : -1;

	boot_id[n > 0 ? n : 0] = '\0';
	boot_id[strcspn(boot_id, "\n")] = '\0';
	if (fd >= 0)
		close(fd);
}

const char *mc_clock_boot_id(void)
{
	pthread_once(&boot_id_once, boot_id_read);
	return boot_id;
}

void mc_clock_reboot(void)
{
	pthread_once(&boot_id_once, boot_id_read);
	boot_id[0] = boot_id[0] == 'f' ? '0' : boot_id[0] == '9' ? 'a' : (char)(boot_id[0] + 1);
	boot_step -= mc_clock_boot();
}

void mc_clock_iso8601(int64_t wall_ns, char out[MC_ISO8601_LEN])
{
	int64_t rest = wall_ns % MC_SECOND;
	time_t seconds = wall_ns / MC_SECOND;
	struct tm tm;
	char base[21];

	if (rest < 0) { /* before 1970, C rounds the wrong way */
		rest += MC_SECOND;
		seconds--;
	}
	gmtime_r(&seconds, &tm);
	strftime(base, sizeof(base), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, MC_ISO8601_LEN, "%.19s.%03uZ", base,
		 (unsigned)(rest / MC_MS) % 1000u);
}

static int64_t fraction(const char **p)
{
	int64_t ns = 0, unit = MC_SECOND / 10;

	if (**p != '.')
		return 0;
	for ((*p)++; **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
		ns += (**p - '0') * unit;
	return ns;
}

int mc_clock_parse(const char *text, int64_t *ret_wall_ns)
{
	struct tm tm = { 0 };
	const char *end;
	int64_t ns = 0;
	time_t seconds;

	end = strptime(text, "%Y%m%dT%H%M%S", &tm);
	if (!end || strchr(text, '-')) {
		memset(&tm, 0, sizeof(tm));
		end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
		if (!end)
			return -1;
		ns = fraction(&end);
	}
	if (strcmp(end, "Z") != 0)
		return -1;
	seconds = timegm(&tm);
	if (seconds < MC_CLOCK_FIRST || seconds > MC_CLOCK_LAST)
		return -1;
	*ret_wall_ns = seconds * MC_SECOND + ns;
	return 0;
}
