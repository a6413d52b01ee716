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

char *dns_name_lower(const char *name)
{
	char *text = mc_strdup(name);

	for (char *c = text; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c |= 0x20;
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

char *dns_name_public_domain(const char *region)
{
	return oldest(region) ? mc_strdup("compute-1.amazonaws.com") : mc_strf("%s.compute.amazonaws.com", region);
}

char *dns_name_public(const char *region, const char *ip)
{
	mc_autofree char *host = dashed("ec2", ip);
	mc_autofree char *domain = dns_name_public_domain(region);

	return mc_strf("%s.%s", host, domain);
}
