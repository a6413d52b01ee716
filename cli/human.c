#include "cli/human.h"

#include <stdio.h>

#include "common/cleanup.h"

void human_bytes(double bytes, char out[HUMAN_LEN])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t unit = 0;

	/* 1023.95 KiB would be written as 1024.0. */
	for (; bytes >= (unit ? 1023.95 : 1023.5) && unit + 1 < MC_ARRAY_SIZE(units); unit++)
		bytes /= 1024;
	snprintf(out, HUMAN_LEN, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

void human_age(long long s, char out[HUMAN_LEN])
{
	if (s < 60)
		snprintf(out, HUMAN_LEN, "%llds", s);
	else if (s < 3600)
		snprintf(out, HUMAN_LEN, "%lldm%02llds", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, HUMAN_LEN, "%lldh%02lldm", s / 3600, s / 60 % 60);
	else
		snprintf(out, HUMAN_LEN, "%lldd%lldh", s / 86400, s / 3600 % 24);
}
