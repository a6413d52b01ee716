/* Any bytes as a qcow2 file, header and tables. */
#include "storaged/qcow2.h"

#include <sys/mman.h>

#include "common/cleanup.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mc_auto_fd int fd = memfd_create("image", MFD_CLOEXEC);
	mc_auto_err mc_err *err = NULL;
	struct qcow2_header header;
	uint64_t file_size, data_bytes;

	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	if (qcow2_header_read(fd, &header, &file_size, &err) < 0 || qcow2_header_refuse(&header, &err) < 0) {
		FUZZ_CHECK(err != NULL);
		return 0;
	}
	FUZZ_CHECK(file_size == size && header.virtual_bytes <= QCOW2_VIRTUAL_MAX);
	FUZZ_CHECK(qcow2_extents_check(fd, &header, file_size, &data_bytes, &err) == 0 || err);
	return 0;
}
