#include "storaged/luks.h"

#include <errno.h>
#include <libcryptsetup.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"

#define FILE_BYTES (2 << 20)
#define VOLUME_KEY 64 /* XTS takes two keys of 256 bits */
#define ROUNDS 1000   /* LUKS1's least */

static void cleanup_device(struct crypt_device **cd)
{
	crypt_free(*cd);
}

static void quiet(int level, const char *msg, void *ctx)
{
	(void)level, (void)msg, (void)ctx;
}

static int fail(int r, const char *what, mc_err **err)
{
	return mc_err_set(err, -r, "libcryptsetup: %s", what);
}

/* Format the file. libcryptsetup takes a name, and that of a descriptor will do. */
static int format(int fd, const char *secret, size_t n, mc_err **err)
{
	static const struct crypt_pbkdf_type pbkdf = {.type = CRYPT_KDF_PBKDF2, .hash = "sha256", .iterations = ROUNDS,
						      .flags = CRYPT_PBKDF_NO_BENCHMARK};
	struct crypt_params_luks1 params = {.hash = "sha256", .data_alignment = 1};
	__attribute__((cleanup(cleanup_device))) struct crypt_device *cd = NULL;
	mc_autofree char *path = mc_strf("/proc/self/fd/%d", fd);
	int r = crypt_init(&cd, path);

	if (r < 0)
		return fail(r, "open", err);
	crypt_set_log_callback(cd, quiet, NULL);
	crypt_set_rng_type(cd, CRYPT_RNG_URANDOM);
	r = crypt_set_pbkdf_type(cd, &pbkdf);
	if (r >= 0)
		r = crypt_format(cd, CRYPT_LUKS1, "aes", "xts-plain64", NULL, NULL, VOLUME_KEY, &params);
	if (r < 0)
		return fail(r, "format", err);
	r = crypt_keyslot_add_by_volume_key(cd, 0, NULL, 0, secret, n);
	return r < 0 ? fail(r, "key slot", err) : 0;
}

int luks_make(const char *secret, size_t n, uint8_t *ret, mc_err **err)
{
	static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER; /* it sets its backend up at first use */
	mc_auto_fd int fd = memfd_create("luks", MFD_CLOEXEC);
	int r;

	if (fd < 0 || ftruncate(fd, FILE_BYTES) < 0)
		return mc_err_set(err, errno, "no memory for a LUKS header");
	pthread_mutex_lock(&one_at_a_time);
	r = format(fd, secret, n, err);
	pthread_mutex_unlock(&one_at_a_time);
	if (r == 0 && pread(fd, ret, LUKS_BYTES, 0) != LUKS_BYTES)
		r = mc_err_set(err, errno, "cannot read the LUKS header");
	return r;
}
