/*
 * init - the only program of the initramfs.
 *
 * Loads the drivers, grows the root partition to the disk while nothing of it
 * is mounted, mounts the root file system and hands over to its /sbin/init.
 * One static program and no shell, because every exec costs milliseconds on
 * an emulated processor.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/netlink.h>

#define MODULE_DIR "/modules"
#define NEW_ROOT "/root"
#define SECTOR 512
#define DISK_WAIT_MS 30000

/* The build writes this signature into the MBR: it tells our disk from others. */
#define DISK_SIGNATURE 0x6c63696dU /* "micl" */

enum mbr_offset {
        MBR_SIGNATURE = 440,
        MBR_TABLE = 446,
        MBR_ENTRY_SIZE = 16,
        MBR_ENTRIES = 4,
        MBR_ENTRY_START = 8,
        MBR_ENTRY_SECTORS = 12,
};

struct mount_point {
        const char *source;
        const char *target;
        const char *type;
        unsigned long flags;
        const char *options;
};

static const struct mount_point early_mounts[] = {
        { "devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755" },
};

static const struct mount_point root_mounts[] = {
        { "devtmpfs", "dev", "devtmpfs", MS_NOSUID, "mode=0755" },
        { "proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
        { "sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
        { "tmpfs", "run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=25%" },
        { "tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=50%" },
        { "devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666" },
};

/* PID 1 has nobody to report to: say it on the console; its end is a panic. */
static void die(const char *what) {
        fprintf(stderr, "minicloud-tiny: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static void mount_all(const struct mount_point *points, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const struct mount_point *p = &points[i];

                (void) mkdir(p->target, 0755);
                if (mount(p->source, p->target, p->type, p->flags, p->options) < 0)
                        die(p->target);
        }
}

static void console_open(void) {
        int fd = open("/dev/console", O_RDWR);

        if (fd < 0)
                return; /* mute, but it may still boot */
        for (int i = 0; i < 3; i++)
                (void) dup2(fd, i);
        if (fd > 2)
                (void) close(fd);
}

static void module_load(const char *name) {
        char path[256];
        int fd;

        snprintf(path, sizeof(path), MODULE_DIR "/%s.ko", name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
                fprintf(stderr, "minicloud-tiny: module %s: %s\n", name, strerror(errno));
        if (fd >= 0)
                (void) close(fd);
        (void) unlink(path); /* the initramfs is memory */
}

/* The order of the list is the order of the dependencies. */
static void modules_load(void) {
        char name[128];
        FILE *list = fopen(MODULE_DIR "/list", "re");

        if (!list)
                die(MODULE_DIR "/list");
        while (fgets(name, sizeof(name), list)) {
                name[strcspn(name, "\n")] = '\0';
                module_load(name);
        }
        (void) fclose(list);
}

static uint32_t get_le32(const uint8_t *p) {
        return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
}

static void put_le32(uint8_t *p, uint32_t v) {
        for (int i = 0; i < 4; i++)
                p[i] = (uint8_t) (v >> (8 * i));
}

static bool mbr_is_ours(const uint8_t *mbr) {
        return mbr[510] == 0x55 && mbr[511] == 0xaa && get_le32(mbr + MBR_SIGNATURE) == DISK_SIGNATURE;
}

/* Opens the first disk that carries our signature; returns -1 if there is none yet. */
static int disk_find(char *ret_letter, uint8_t *ret_mbr) {
        for (char letter = 'a'; letter <= 'z'; letter++) {
                char path[] = "/dev/vd?";
                uint8_t mbr[SECTOR];
                int fd;

                path[sizeof(path) - 2] = letter;
                fd = open(path, O_RDWR | O_CLOEXEC);
                if (fd < 0)
                        continue;
                if (pread(fd, mbr, sizeof(mbr), 0) == SECTOR && mbr_is_ours(mbr)) {
                        *ret_letter = letter;
                        memcpy(ret_mbr, mbr, sizeof(mbr));
                        return fd;
                }
                (void) close(fd);
        }
        return -1;
}

static int uevent_open(void) {
        struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

        if (fd >= 0)
                (void) bind(fd, (struct sockaddr *) &address, sizeof(address));
        return fd;
}

/* Usually the disk is there as soon as its driver is; else each uevent is a reason to look again. */
static int disk_wait(int uevents, char *ret_letter, uint8_t *ret_mbr) {
        struct pollfd wait = { .fd = uevents, .events = POLLIN };
        char event[4096];
        int fd;

        while ((fd = disk_find(ret_letter, ret_mbr)) < 0) {
                if (poll(&wait, 1, DISK_WAIT_MS) <= 0) {
                        errno = ENODEV;
                        die("no virtio disk with the root file system");
                }
                (void) recv(uevents, event, sizeof(event), MSG_DONTWAIT);
        }
        return fd;
}

/* Sectors the first partition could have; 0 if it must stay (not the last on the disk, or full). */
static uint32_t partition_room(const uint8_t *mbr, uint64_t disk_sectors) {
        const uint8_t *first = mbr + MBR_TABLE;
        uint32_t start = get_le32(first + MBR_ENTRY_START);
        uint64_t room = disk_sectors - start;

        for (int i = 1; i < MBR_ENTRIES; i++)
                if (get_le32(mbr + MBR_TABLE + i * MBR_ENTRY_SIZE + MBR_ENTRY_START) > start)
                        return 0;
        if (start >= disk_sectors)
                return 0;
        if (room > UINT32_MAX)
                room = UINT32_MAX;
        return room > get_le32(first + MBR_ENTRY_SECTORS) ? (uint32_t) room : 0;
}

static void partition_grow(int disk, uint8_t *mbr) {
        uint64_t bytes = 0;
        uint32_t room;

        if (ioctl(disk, BLKGETSIZE64, &bytes) < 0)
                return;
        room = partition_room(mbr, bytes / SECTOR);
        if (room == 0)
                return;
        put_le32(mbr + MBR_TABLE + MBR_ENTRY_SECTORS, room);
        /* A failure leaves a smaller root, which is better than none. */
        if (pwrite(disk, mbr, SECTOR, 0) != SECTOR || fsync(disk) < 0 || ioctl(disk, BLKRRPART) < 0)
                fprintf(stderr, "minicloud-tiny: growing the partition: %s\n", strerror(errno));
}

static void root_mount(char letter) {
        char path[] = "/dev/vd?1";

        path[sizeof(path) - 3] = letter;
        (void) mkdir(NEW_ROOT, 0755);
        /* noinit_itable: zeroing the inode tables of a grown disk would only fill its image */
        if (mount(path, NEW_ROOT, "ext4", MS_NOATIME, "noinit_itable") < 0)
                die("mounting the root file system");
}

static void root_switch(void) {
        char *const argv[] = { (char *) "init", NULL };

        (void) umount2("/dev", MNT_DETACH);
        (void) unlink("/init");
        if (chdir(NEW_ROOT) < 0)
                die(NEW_ROOT);
        mount_all(root_mounts, sizeof(root_mounts) / sizeof(root_mounts[0]));
        if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
                die("switching to the root file system");
        console_open();
        execv("/sbin/init", argv);
        die("/sbin/init");
}

int main(void) {
        uint8_t mbr[SECTOR];
        char letter;
        int uevents, disk;

        mount_all(early_mounts, sizeof(early_mounts) / sizeof(early_mounts[0]));
        console_open();
        uevents = uevent_open();
        modules_load();
        disk = disk_wait(uevents, &letter, mbr);
        partition_grow(disk, mbr);
        (void) close(disk);
        (void) close(uevents);
        root_mount(letter);
        root_switch();
}
