#include "api/cloud_time.h"

#include "api/billing/meter_clock.h"
#include "common/clock.h"
#include "common/db.h"
#include "common/log.h"

#define LONGEST (3600 * MC_SECOND)
#define SHORTEST (10 * MC_MS)

/* On a connection of its own: the caller may hold the writer's lock. */
int64_t cloud_time(struct api *api)
{
	struct meter_clock clock = { .scale = 0 };
	mc_auto_err mc_err *err = NULL;
	sqlite3 *db = api->billing ? store_reader(api->store, &err) : NULL;

	if (api->billing && (!db || meter_clock_load(&clock, db, &err) < 0))
		mc_log(MC_LOG_WARNING, "time", "the meters' clock cannot be read", "reason", mc_err_msg(err), NULL);
	mc_db_close(db);
	return clock.scale ? mc_clock_wall() + meter_clock_lead(&clock) : mc_clock_wall();
}

int64_t cloud_time_until(struct api *api, int64_t then)
{
	int64_t scale = api->config.time_scale > 0 ? api->config.time_scale : 1, wait = (then - cloud_time(api)) / scale;

	return wait < SHORTEST ? SHORTEST : wait > LONGEST ? LONGEST : wait;
}
