#include "storaged/doctor.h"

#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "common/cleanup.h"
#include "common/finding.h"
#include "common/spawn.h"

#define GIB (1024.0 * 1024 * 1024)
#define LOW_PERCENT 10
#define LOW_BYTES (5LL << 30)

static void find_room(const struct store_space *s, const char *dir, json_t *findings)
{
	static const char remedy[] = "delete volumes, snapshots or other files, or move the store to a larger disk ([storaged] store)";
	double percent = s->total_bytes ? 100.0 * (double)s->free_bytes / (double)s->total_bytes : 0;

	if (s->free_bytes <= s->reserve_bytes)
		mc_finding_add(findings, "disk-space", MC_FINDING_ERROR, remedy,
			       "the store %s has %.1f GiB free, no more than what is kept back: no volume can be made, and running "
			       "guests will pause when they write", dir, (double)s->free_bytes / GIB);
	else if (percent < LOW_PERCENT && s->free_bytes < LOW_BYTES)
		mc_finding_add(findings, "disk-space", MC_FINDING_WARNING, remedy, "the store %s has %.1f GiB free (%.0f %%)", dir,
			       (double)s->free_bytes / GIB, percent);
	else
		mc_finding_add(findings, "disk-space", MC_FINDING_OK, NULL, "the store %s has %.1f GiB free (%.0f %%)", dir,
			       (double)s->free_bytes / GIB, percent);
}

static void find_kind(const char *dir, json_t *findings)
{
	struct statfs fs;

	if (statfs(dir, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC))
		mc_finding_add(findings, "store-kind", MC_FINDING_WARNING, "put the store on a disk ([storaged] store)",
			       "the store %s is in memory: all volumes are lost when the host restarts", dir);
}

static void find_qemu_img(json_t *findings)
{
	const char *const argv[] = { "qemu-img", "--version", NULL };
	mc_auto_spawn_result struct mc_spawn_result result = { 0 };
	const struct mc_spawn spawn = { .argv = argv, .timeout_ms = 10000 };

	if (mc_spawn_run(&spawn, &result, NULL) == 0 && result.status == 0)
		mc_finding_add(findings, "qemu-img", MC_FINDING_OK, NULL, "%.*s", (int)strcspn(result.out, "\n("), result.out);
	else
		mc_finding_add(findings, "qemu-img", MC_FINDING_ERROR, "apt install qemu-utils",
			       "the program qemu-img does not run: no volume can be made");
}

static void find_master_key(const struct storage *storage, json_t *findings)
{
	const char *trouble = vault_trouble(storage->vault);

	if (trouble)
		mc_finding_add(findings, "master-key", MC_FINDING_ERROR, "bring the file back from where a copy is kept ([storaged] "
			       "master_key), then restart minicloud-storaged", "%s", trouble);
	else
		mc_finding_add(findings, "master-key", MC_FINDING_OK, NULL, "the master key %s is there; keep a copy elsewhere: without "
			       "it encrypted volumes are lost", storage->config->master_key);
}

json_t *doctor_report(struct storage *storage, mc_err **err)
{
	struct store_space space;
	json_t *findings;

	if (store_space(&storage->store, &space, err) < 0)
		return NULL;
	findings = json_array();
	find_room(&space, storage->store.dir, findings);
	find_kind(storage->store.dir, findings);
	find_qemu_img(findings);
	find_master_key(storage, findings);
	return json_pack("{s:o}", "findings", findings);
}
