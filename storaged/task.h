/* Work that takes longer than a call: each in a thread of its own, a few at once, asked after by id.
 * What it has come to stays known until it is forgotten, or until this process ends: whoever
 * wants it asks for it again then, and it begins anew. */
#ifndef MC_STORAGED_TASK_H
#define MC_STORAGED_TASK_H

#include <stdbool.h>

#include "common/error.h"
#include "common/id.h"

struct tasks;
struct task;

#define TASKS_MAX 256 /* that are known at once */

/* At most so many at once; the others wait for their turn. Never NULL. */
struct tasks *tasks_new(unsigned at_once);
/* Cancel all and wait for their ends. NULL is fine. */
void tasks_free(struct tasks *tasks);

/* In the task's thread: an outcome (enum mc_ipc_outcome) with *err unless it is OK, or -1 and *err. */
typedef int task_fn(struct task *task, void *arg, mc_err **err);

/* For task_fn: readable when it is to end; how far it is. */
int task_cancel_fd(const struct task *task);
bool task_cancelled(const struct task *task);
void task_percent(void *task, int percent);

struct task_report {
	enum { TASK_WAITING, TASK_RUNNING, TASK_DONE, TASK_FAILED } state;
	int percent;
	int outcome;   /* of a failed one; -1: internal */
	char *message; /* of a failed one; freed with task_report_deinit() */
};
void task_report_deinit(struct task_report *report);
const char *task_state_name(const struct task_report *report);

/* Begin it, unless one of this id is known: that one is meant then. arg is taken over in any case and freed
 * by free_arg. 0, or -1 and *err where there are too many. */
int tasks_begin(struct tasks *tasks, const char *id, task_fn *fn, void *arg, void (*free_arg)(void *), mc_err **err);
/* 0 and *ret, or 1 where none of this id is known. */
int tasks_find(struct tasks *tasks, const char *id, struct task_report *ret);
/* Cancel it, wait for its end, forget it; fine where there is none. */
void tasks_forget(struct tasks *tasks, const char *id);

#endif
