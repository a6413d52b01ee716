#include "api/dns_name.h"

#include <stdbool.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"

static bool oldest(const char *region)
{
	return strcmp(region, "us-east-1") == 0;
}

static char *dashed(const char *prefix, const char *ip)
{
	char *text = mc_strf("%s-%s", prefix, ip);

	for (char *c = text; *c; c++)
		if (*c == '.')
			*c = '-';
	return text;
}

char *dns_name_domain(const char *region)
{
	return oldest(region) ? mc_strdup("ec2.internal") : mc_strf("%s.compute.internal", region);
}

char *dns_name_host(const char *ip)
{
	return dashed("ip", ip);
}

char *dns_name_private(const char *region, const char *ip)
{
	mc_autofree char *host = dns_name_host(ip);
	mc_autofree char *domain = dns_name_domain(region);

	return mc_strf("%s.%s", host, domain);
}

char *dns_name_public(const char *region, const char *ip)
{
	mc_autofree char *host = dashed("ec2", ip);

	if (oldest(region))
		return mc_strf("%s.compute-1.amazonaws.com", host);
	return mc_strf("%s.%s.compute.amazonaws.com", host, region);
}
