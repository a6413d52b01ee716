#include "common/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fs.h"

static const struct {
	const char *name;
	const char *journal; /* sd-daemon(3) priority */
} levels[MC_LOG_LEVEL_MAX] = {
	[MC_LOG_ERROR] = { "error", "<3>" },
	[MC_LOG_WARNING] = { "warning", "<4>" },
	[MC_LOG_INFO] = { "info", "<6>" },
	[MC_LOG_DEBUG] = { "debug", "<7>" },
};

static _Atomic int threshold = MC_LOG_INFO;
static _Thread_local char request_id[64] = "-";

int mc_log_level_parse(const char *text)
{
	for (int i = 0; i < MC_LOG_LEVEL_MAX; i++)
		if (strcmp(levels[i].name, text) == 0)
			return i;
	return -1;
}

const char *mc_log_level_name(enum mc_log_level level)
{
	return levels[level].name;
}

void mc_log_set_level(enum mc_log_level level)
{
	threshold = level;
}

void mc_log_set_request_id(const char *id)
{
	snprintf(request_id, sizeof(request_id), "%s", id && *id ? id : "-");
}

const char *mc_log_request_id(void)
{
	return request_id;
}

static bool plain(const char *value)
{
	return *value && !strpbrk(value, " \t\n\r\"\\=") ;
}

static void put_value(FILE *f, const char *value)
{
	if (plain(value)) {
		fputs(value, f);
		return;
	}
	fputc('"', f);
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20)
			fprintf(f, "\\x%02x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

static FILE *line_open(enum mc_log_level level, const char *area, char **buf, size_t *len)
{
	char when[MC_ISO8601_LEN];
	FILE *f = open_memstream(buf, len);

	if (!f)
		return NULL;
	mc_clock_iso8601(mc_clock_wall(), when);
	fprintf(f, "%s%s %s %s %s ", getenv("JOURNAL_STREAM") ? levels[level].journal : "", when,
		levels[level].name, area, request_id);
	return f;
}

/* One write(2) per line, so that lines of threads never mix. The stream sets *buf
 * only when it is closed. */
static void line_close(FILE *f, char **buf, const size_t *len)
{
	fputc('\n', f);
	/* *buf and *len are only set by the close. */
	if (fclose(f) == 0 && write(STDERR_FILENO, *buf, *len) < 0) {
		/* Nowhere left to complain. */
	}
	free(*buf);
}

void mc_log(enum mc_log_level level, const char *area, const char *message, ...)
{
	char *buf = NULL;
	size_t len = 0;
	const char *key, *value;
	va_list ap;
	FILE *f;

	if ((int)level > threshold || !(f = line_open(level, area, &buf, &len)))
		return;
	fputs(message, f);
	va_start(ap, message);
	while ((key = va_arg(ap, const char *))) {
		value = va_arg(ap, const char *);
		if (!value)
			continue;
		fprintf(f, " %s=", key);
		put_value(f, value);
	}
	va_end(ap);
	line_close(f, &buf, &len);
}

void mc_logf(enum mc_log_level level, const char *area, const char *fmt, ...)
{
	char *buf = NULL, *text;
	size_t len = 0;
	va_list ap;
	FILE *f;

	if ((int)level > threshold || !(f = line_open(level, area, &buf, &len)))
		return;
	va_start(ap, fmt);
	text = mc_vstrf(fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++)
		fputc((unsigned char)*c < 0x20 ? ' ' : *c, f);
	free(text);
	line_close(f, &buf, &len);
}
