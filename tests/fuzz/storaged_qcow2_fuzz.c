/* Any bytes as a qcow2 file, header and tables. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "storaged/qcow2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mc_auto_fd int fd = memfd_create("image", MFD_CLOEXEC);
	struct qcow2_header header;
	uint64_t file_size, data_bytes;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (qcow2_header_read(fd, &header, &file_size, NULL) == 0 && qcow2_header_refuse(&header, NULL) == 0)
		qcow2_extents_check(fd, &header, file_size, &data_bytes, NULL);
	return 0;
}
