#include "storaged/qemu_arguments.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/fs.h"

void qemu_img_file_deinit(struct qemu_img_file *file)
{
	free(file->name);
	if (file->key_fd >= 0)
		close(file->key_fd);
	*file = (struct qemu_img_file){.key_fd = -1};
}

void qemu_arguments_deinit(struct qemu_arguments *a)
{
	for (size_t i = 0; i < a->keys; i++)
		free(a->objects[i]);
}

struct qemu_arguments qemu_arguments(const char *program, const char *verb)
{
	return (struct qemu_arguments){.v = {program, verb}, .n = verb ? 2 : 1};
}

void qemu_add(struct qemu_arguments *a, const char *word)
{
	a->v[a->n++] = word;
}

void qemu_add_key(struct qemu_arguments *a, const char *name, int fd)
{
	if (fd < 0)
		return;
	a->key_fds[a->keys] = fd;
	a->objects[a->keys] = mc_strf("secret,id=%s,file=/dev/fd/%d", name, fd);
	qemu_add(a, "--object");
	qemu_add(a, a->objects[a->keys++]);
}

void qemu_add_file(struct qemu_arguments *a, const struct qemu_img_file *file)
{
	qemu_add_key(a, QEMU_IMG_KEY, file->key_fd);
	if (file->key_fd >= 0) /* then the name says it */
		return;
	qemu_add(a, "-f");
	qemu_add(a, file->format ? file->format : "qcow2");
}

/* Only system calls. */
int qemu_child_bind(void *arg)
{
	const struct qemu_child *c = arg;

	for (size_t i = 0; c->arguments && i < c->arguments->keys; i++)
		if (fcntl(c->arguments->key_fds[i], F_SETFD, 0) < 0)
			return -1;
	if (c->humble)
		(void)!nice(5);
	return offspring_bind(c->offspring);
}
