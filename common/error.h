/* The error contract.
 *
 * A function that can fail takes `mc_err **err` last and returns a negative
 * number (or NULL) on an *internal failure*, with *err describing it; callers
 * add context with mc_err_wrap() on the way up and the top layer logs it once.
 * A *documented outcome* (not found, in use, no capacity ...) is no failure: it
 * is a positive enum value of the module, and *err stays NULL.
 * err may be NULL where the caller does not care. */
#ifndef MC_COMMON_ERROR_H
#define MC_COMMON_ERROR_H

typedef struct mc_err {
	int errnum; /* errno-like, 0 where none applies */
	char *msg;  /* human text with context, never NULL */
} mc_err;

/* Set *err (replacing one already there). errnum 0 or an errno; when not 0 its
 * text is appended. Always returns -1, so `return mc_err_set(...)` works. */
int mc_err_set(mc_err **err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Put "context: " before the message in *err. Always returns -1. */
int mc_err_wrap(mc_err **err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The message, or "no error" text for NULL. */
const char *mc_err_msg(const mc_err *err);

void mc_err_free(mc_err *err);

/* Free *err and set it to NULL: before trying again. */
void mc_err_clear(mc_err **err);

static inline void mc_cleanup_err(mc_err **err)
{
	mc_err_free(*err);
}
#define mc_auto_err __attribute__((cleanup(mc_cleanup_err)))

#endif
