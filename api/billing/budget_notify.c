/* Where a budget's notifications go: mail through the system's sendmail, and web hooks that the operator
 * allows. */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/billing/budget.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/spawn.h"

#define MAIL_TIMEOUT_MS 30000
#define HOOK_TIMEOUT_S 10L
#define ADDRESS_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+_-@"

static bool is_hook(const char *address)
{
	return strncmp(address, "http://", 7) == 0 || strncmp(address, "https://", 8) == 0;
}

static bool is_mail(const char *address)
{
	const char *at = strchr(address, '@');

	return at && at > address && at[1] && *address != '-' && !strchr(at + 1, '@') && strlen(address) < 255 &&
	       strspn(address, ADDRESS_CHARS) == strlen(address);
}

/* --- which hooks are allowed ------------------------------------------------------------- */

static char *url_part(CURLU *url, CURLUPart part)
{
	char *text = NULL, *copy;

	if (curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK)
		return mc_strdup("");
	copy = mc_strdup(text);
	curl_free(text);
	return copy;
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
	mc_autofree char *x = url_part(a, part), *y = url_part(b, part);

	return strcasecmp(x, y) == 0;
}

static bool path_under(CURLU *url, CURLU *prefix)
{
	mc_autofree char *path = url_part(url, CURLUPART_PATH), *under = url_part(prefix, CURLUPART_PATH);
	size_t n = strlen(under);

	return strncmp(path, under, n) == 0 && (under[n - 1] == '/' || !path[n] || path[n] == '/') && !strstr(path, "/..");
}

/* Scheme, host and port are the prefix's own, and the path lies under its path; nobody's name is in it. */
static bool under(const char *address, const char *prefix)
{
	CURLU *url = curl_url(), *allowed = curl_url();
	mc_autofree char *user = NULL;
	bool fits = curl_url_set(url, CURLUPART_URL, address, 0) == CURLUE_OK && curl_url_set(allowed, CURLUPART_URL, prefix, 0) == CURLUE_OK;

	user = url_part(url, CURLUPART_USER);
	fits = fits && !*user && same_part(url, allowed, CURLUPART_SCHEME) && same_part(url, allowed, CURLUPART_HOST) &&
	       same_part(url, allowed, CURLUPART_PORT) && path_under(url, allowed);
	curl_url_cleanup(url);
	curl_url_cleanup(allowed);
	return fits;
}

static bool hook_allowed(const struct api *api, const char *address)
{
	mc_autofree char *list = mc_strdup(api->config.webhook_allow ? api->config.webhook_allow : "");
	char *save = NULL;

	for (char *prefix = strtok_r(list, ", ", &save); prefix; prefix = strtok_r(NULL, ", ", &save))
		if (under(address, prefix))
			return true;
	return false;
}

const char *budget_address_check(const struct api *api, const char *type, const char *address)
{
	if (strcmp(type, "EMAIL") == 0)
		return is_mail(address) ? NULL : "The address of an EMAIL subscriber must be a mail address.";
	if (!is_hook(address))
		return "There are no SNS topics in this cloud: the address must be an http or https URL.";
	return hook_allowed(api, address) ? NULL : "The operator does not allow web hooks to this URL (webhook_allow).";
}

/* --- sending ---------------------------------------------------------------------------------- */

static int mail_fd(const struct api *api, const char *address, const char *subject, const json_t *facts, mc_err **err)
{
	mc_autofree char *text = json_dumps(facts, JSON_INDENT(2) | JSON_SORT_KEYS);
	mc_autofree char *mail = mc_strf("From: %s\nTo: %s\nSubject: %s\nContent-Type: text/plain; charset=UTF-8\n"
					 "Auto-Submitted: auto-generated\n\n%s\n\n%s\n", api->config.mail_from, address, subject, subject, text);
	mc_auto_fd int fd = memfd_create("mail", MFD_CLOEXEC);

	if (fd < 0 || write(fd, mail, strlen(mail)) != (ssize_t)strlen(mail) || lseek(fd, 0, SEEK_SET) < 0) {
		mc_err_set(err, errno, "cannot write a mail");
		return -1;
	}
	return MC_STEAL_FD(fd);
}

static int send_mail(const struct api *api, const char *address, const char *subject, const json_t *facts, mc_err **err)
{
	const char *const argv[] = { api->config.sendmail, "-oi", "-t", NULL };
	mc_auto_spawn_result struct mc_spawn_result result = { 0 };
	mc_auto_fd int fd = mail_fd(api, address, subject, facts, err);
	const struct mc_spawn spawn = { .argv = argv, .stdin_fd = fd, .timeout_ms = MAIL_TIMEOUT_MS };

	if (fd < 0 || mc_spawn_run(&spawn, &result, err) < 0)
		return -1;
	return result.status == 0 ? 0 : mc_err_set(err, 0, "%s ended with status %d: %.200s", api->config.sendmail, result.status,
						   result.errout);
}

static size_t drop(char *data, size_t size, size_t n, void *user)
{
	(void)data, (void)user;
	return size * n;
}

static int post(const char *address, const char *body, mc_err **err)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURL *curl = curl_easy_init();
	long status = 0;
	CURLcode code;

	if (!curl)
		abort();
	curl_easy_setopt(curl, CURLOPT_URL, address);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L); /* an answer must not lead elsewhere */
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, HOOK_TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	if (code != CURLE_OK)
		return mc_err_set(err, 0, "%s: %s", address, curl_easy_strerror(code));
	return status < 300 ? 0 : mc_err_set(err, 0, "%s answered HTTP %ld", address, status);
}

int budget_tell(struct api *api, const char *address, const char *subject, const json_t *facts, mc_err **err)
{
	mc_autofree char *body = json_dumps(facts, JSON_COMPACT);

	if (!is_hook(address))
		return send_mail(api, address, subject, facts, err);
	/* What was allowed when it was subscribed may not be any more. */
	return hook_allowed(api, address) ? post(address, body, err) : mc_err_set(err, 0, "%s is not allowed (webhook_allow)", address);
}
