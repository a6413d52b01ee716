/*
 * diskplug - keep /dev/disk/by-id/virtio-SERIAL pointing at the virtio disks.
 *
 * The kernel makes /dev/vdb by itself; which volume that is, only the serial
 * says. Names the disks that are there, then follows the kernel's uevents.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/netlink.h>

#define BY_ID "/dev/disk/by-id"
#define NAME_SIZE 64

/* Reads one line of /sys/class/block/DEVICE/ATTRIBUTE; false if there is none. */
static bool attribute_read(const char *device, const char *attribute, char *ret, int size) {
        char path[PATH_MAX];
        bool ok;
        FILE *f;

        snprintf(path, sizeof(path), "/sys/class/block/%s/%s", device, attribute);
        f = fopen(path, "re");
        if (!f)
                return false;
        ok = fgets(ret, size, f) != NULL;
        (void) fclose(f);
        if (ok)
                ret[strcspn(ret, "\n")] = '\0';
        return ok && *ret;
}

/* The serial is the host's to choose: whatever could leave the directory becomes '_'. */
static void serial_clean(char *serial) {
        for (char *c = serial; *c; c++)
                if (!isalnum((unsigned char) *c) && !strchr("-_.", *c))
                        *c = '_';
}

static bool device_is_ours(const char *device) {
        return strncmp(device, "vd", 2) == 0 && !strchr(device, '/') && strlen(device) < NAME_SIZE;
}

/* A partition finds the serial in its disk, one directory up. */
static void device_link(const char *device) {
        char serial[NAME_SIZE], part[NAME_SIZE], link[PATH_MAX], target[NAME_SIZE + 8];
        bool is_part = attribute_read(device, "partition", part, sizeof(part));

        if (!attribute_read(device, is_part ? "../serial" : "serial", serial, sizeof(serial)))
                return;
        serial_clean(serial);
        snprintf(link, sizeof(link), BY_ID "/virtio-%s%s%s", serial, is_part ? "-part" : "",
                 is_part ? part : "");
        snprintf(target, sizeof(target), "../../%s", device);
        (void) unlink(link);
        if (symlink(target, link) < 0)
                perror(link);
}

/* The serial went with the disk: look for the link that leads to it. */
static void device_unlink(const char *device) {
        char link[PATH_MAX], target[PATH_MAX];
        DIR *dir = opendir(BY_ID);

        for (struct dirent *e; dir && (e = readdir(dir));) {
                ssize_t n;

                snprintf(link, sizeof(link), BY_ID "/%s", e->d_name);
                n = readlink(link, target, sizeof(target) - 1);
                if (n < 0)
                        continue;
                target[n] = '\0';
                if (strcmp(strrchr(target, '/') ? strrchr(target, '/') + 1 : target, device) == 0)
                        (void) unlink(link);
        }
        if (dir)
                (void) closedir(dir);
}

static void devices_scan(void) {
        DIR *dir = opendir("/sys/class/block");

        for (struct dirent *e; dir && (e = readdir(dir));)
                if (device_is_ours(e->d_name))
                        device_link(e->d_name);
        if (dir)
                (void) closedir(dir);
}

/* The value of KEY= in a uevent, which is a row of NUL-terminated strings. */
static const char *event_value(const char *event, size_t size, const char *key) {
        size_t length = strlen(key);

        for (const char *s = event; s < event + size; s += strlen(s) + 1)
                if (strncmp(s, key, length) == 0)
                        return s + length;
        return "";
}

static void event_handle(const char *event, size_t size) {
        const char *action = event_value(event, size, "ACTION=");
        const char *device = event_value(event, size, "DEVNAME=");

        if (strcmp(event_value(event, size, "SUBSYSTEM="), "block") != 0 || !device_is_ours(device))
                return;
        if (strcmp(action, "remove") == 0)
                device_unlink(device);
        else
                device_link(device);
}

static int uevent_open(void) {
        struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                perror("diskplug");
                exit(EXIT_FAILURE);
        }
        return fd;
}

int main(void) {
        char event[8192];
        int fd = uevent_open();

        (void) mkdir("/dev/disk", 0755);
        (void) mkdir(BY_ID, 0755);
        devices_scan();
        for (;;) {
                ssize_t size = recv(fd, event, sizeof(event) - 1, 0);

                if (size > 0) {
                        event[size] = '\0';
                        event_handle(event, (size_t) size);
                } else if (errno == ENOBUFS)
                        devices_scan(); /* events were lost */
        }
}
