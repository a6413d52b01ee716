#include "common/error.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"

int mc_err_set(mc_err **err, int errnum, const char *fmt, ...)
{
	va_list ap;
	char *text;

	if (!err)
		return -1;
	va_start(ap, fmt);
	text = mc_vstrf(fmt, ap);
	va_end(ap);
	mc_err_free(*err);
	*err = mc_alloc(sizeof(**err));
	(*err)->errnum = errnum;
	if (!errnum) {
		(*err)->msg = text;
		return -1;
	}
	(*err)->msg = mc_strf("%s: %s", text, strerror(errnum));
	free(text);
	return -1;
}

int mc_err_wrap(mc_err **err, const char *fmt, ...)
{
	va_list ap;
	char *text, *old;

	if (!err || !*err)
		return -1;
	va_start(ap, fmt);
	text = mc_vstrf(fmt, ap);
	va_end(ap);
	old = (*err)->msg;
	(*err)->msg = mc_strf("%s: %s", text, old);
	free(old);
	free(text);
	return -1;
}

const char *mc_err_msg(const mc_err *err)
{
	return err ? err->msg : "no error text";
}

void mc_err_free(mc_err *err)
{
	if (!err)
		return;
	free(err->msg);
	free(err);
}

void mc_err_clear(mc_err **err)
{
	if (!err)
		return;
	mc_err_free(*err);
	*err = NULL;
}
