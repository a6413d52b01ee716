#include "cli/screen.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "cli/tty.h"

static void put(const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, text, len);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

void screen_open(void)
{
	static const char begin[] = "\033[?1049h\033[?25l"; /* xterm's second screen; no cursor */

	put(begin, sizeof(begin) - 1);
}

void screen_close(void)
{
	static const char end[] = "\033[?25h\033[?1049l";

	put(end, sizeof(end) - 1);
}

/* Bytes of the character at p, and the columns it takes. An escape sequence takes none. */
static size_t next_char(const char *p, size_t left, int *ret_width)
{
	mbstate_t state = { 0 };
	wchar_t wide;
	size_t n;

	*ret_width = 0;
	if (p[0] == '\033' && left > 1 && p[1] == '[') {
		for (n = 2; n < left && (p[n] < '@' || p[n] > '~'); n++) {
		}
		return n < left ? n + 1 : left;
	}
	n = mbrtowc(&wide, p, left, &state);
	if (n == 0 || n > left) {
		*ret_width = 1;
		return 1;
	}
	*ret_width = wcwidth(wide) > 0 ? wcwidth(wide) : 0;
	return n;
}

/* A line of len bytes, cut to `columns`, then what clears the rest. */
static void draw_line(FILE *out, const char *line, size_t len, int columns)
{
	int used = 0;

	for (size_t at = 0; at < len;) {
		int width;
		size_t n = next_char(line + at, len - at, &width);

		used += width;
		if (used <= columns || width == 0)
			fwrite(line + at, 1, n, out);
		at += n;
	}
	fputs("\033[K", out);
}

void screen_draw(const char *text)
{
	int rows, columns, row = 0;
	char *buf = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&buf, &len);

	tty_size(&rows, &columns);
	fputs("\033[H", out);
	while (*text && row < rows) {
		size_t n = strcspn(text, "\n");

		fputs(row++ ? "\r\n" : "", out);
		draw_line(out, text, n, columns);
		text += n + (text[n] == '\n');
	}
	fputs("\033[J", out);
	fclose(out);
	put(buf, len);
	free(buf);
}
