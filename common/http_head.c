#include "common/http_head.h"

#include <stdlib.h>
#include <string.h>

int mc_http_head_add(struct mc_http_head *head, char byte)
{
	if (head->len == MC_HTTP_HEAD_MAX)
		return -1;
	head->text[head->len++] = byte;
	head->text[head->len] = '\0';
	return head->len >= 4 && memcmp(head->text + head->len - 4, "\r\n\r\n", 4) == 0;
}

int mc_http_head_status(const struct mc_http_head *head)
{
	const char *at = head->text;

	if (strncmp(at, "HTTP/1.", 7) != 0 || !at[7] || at[8] != ' ' || strspn(at + 9, "0123456789") != 3)
		return -1;
	return (int)strtol(at + 9, NULL, 10);
}

long mc_http_head_length(const struct mc_http_head *head)
{
	const char *at = strcasestr(head->text, "\r\nContent-Length:");
	size_t digits;

	if (!at)
		return -1;
	at += strlen("\r\nContent-Length:");
	at += strspn(at, " \t");
	digits = strspn(at, "0123456789");
	return digits && digits < 10 ? strtol(at, NULL, 10) : -1;
}
