/* What QEMU's tools are told of a layer's file, and of its key. */
#ifndef MC_STORAGED_QEMU_ARGUMENTS_H
#define MC_STORAGED_QEMU_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "storaged/offspring.h"

/* A qcow2 and what it stands on, as qemu-img is told it: a path, or where it is encrypted what
 * layer_open() makes of the chain, with the key in a memfd. The clear key is in no argument, environment or file. */
struct qemu_img_file {
	char *name;
	int key_fd; /* -1: not encrypted */
	const char *format; /* NULL: qcow2 */
};
void qemu_img_file_deinit(struct qemu_img_file *file);
#define auto_qemu_img_file __attribute__((cleanup(qemu_img_file_deinit))) struct qemu_img_file
/* What the key is called in that name. */
#define QEMU_IMG_KEY "key0"
#define QEMU_IMG_TARGET_KEY "key1"

#define QEMU_ARGUMENTS_MAX 24
#define QEMU_KEYS_MAX 2

/* An argument vector. The words are borrowed. */
struct qemu_arguments {
	const char *v[QEMU_ARGUMENTS_MAX]; /* the rest is NULL */
	size_t n;
	char *objects[QEMU_KEYS_MAX];
	int key_fds[QEMU_KEYS_MAX];
	size_t keys;
};
void qemu_arguments_deinit(struct qemu_arguments *a);
#define auto_qemu_arguments __attribute__((cleanup(qemu_arguments_deinit))) struct qemu_arguments

/* "PROGRAM VERB"; verb may be NULL. */
struct qemu_arguments qemu_arguments(const char *program, const char *verb);
void qemu_add(struct qemu_arguments *a, const char *word);
/* The secret of this name, which the program reads from the memfd; nothing where fd is -1. */
void qemu_add_key(struct qemu_arguments *a, const char *name, int fd);
/* How to read a file, but for its name: its key, or its format. */
void qemu_add_file(struct qemu_arguments *a, const struct qemu_img_file *file);

/* For mc_spawn: `in_child` and its argument. */
struct qemu_child {
	const struct offspring *offspring;
	const struct qemu_arguments *arguments; /* NULL: no keys */
	bool humble; /* work that nobody waits for gives way to what somebody does */
};
int qemu_child_bind(void *child);

#endif
