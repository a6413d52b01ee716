/* Any text as dnsmasq's lease file, in which guests have a word (client ids, names). */
#include "common/cleanup.h"
#include "netd/lease.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mc_autofree char *text = fuzz_text(data, size);
	char *rest = text;
	unsigned char packet[LEASE_PACKET_LEN];
	struct lease lease;

	while (size) {
		if (!lease_parse(fuzz_line(&rest, &size), &lease))
			continue;
		FUZZ_CHECK(mc_check_mac(lease.mac));
		lease_packet(&lease, lease.ip, packet);
	}
	return 0;
}
