/*
 * growfs - grow the mounted ext4 root file system to its partition.
 *
 * The kernel does the work; resize2fs would bring four libraries along.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)
#define SECTOR 512

/* Returns 0 if the size cannot be read. */
static uint64_t device_bytes(dev_t device) {
        char path[64];
        uint64_t sectors = 0;
        FILE *f;

        snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/size", major(device), minor(device));
        f = fopen(path, "re");
        if (!f)
                return 0;
        if (fscanf(f, "%" SCNu64, &sectors) != 1)
                sectors = 0;
        (void) fclose(f);
        return sectors * SECTOR;
}

int main(void) {
        struct stat st;
        struct statfs fs;
        uint64_t blocks;
        int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0) {
                perror("growfs: /");
                return EXIT_FAILURE;
        }
        blocks = device_bytes(st.st_dev) / (uint64_t) fs.f_bsize;
        if (blocks == 0) {
                fprintf(stderr, "growfs: the root device has no size\n");
                return EXIT_FAILURE;
        }
        if (ioctl(fd, EXT4_IOC_RESIZE_FS, &blocks) < 0) {
                fprintf(stderr, "growfs: growing / to %" PRIu64 " blocks: %s\n", blocks, strerror(errno));
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
