#include "storaged/vmdk.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "storaged/bytes.h"

#define SECTOR 512
#define MAGIC 0x564d444b /* "KDMV" */
#define VERSION_MAX 3
#define TABLE_ENTRIES 512 /* numGTEsPerGT, always */
#define TABLE_BYTES (TABLE_ENTRIES * 4)
#define GRAIN_MIN 8       /* sectors */
#define GRAIN_MAX 2048
#define DESCRIPTOR_MAX (64u * 1024)
#define DIRECTORY_AT_END UINT64_MAX
#define FOOTER_FROM_END (2 * SECTOR) /* the footer, and behind it the end-of-stream marker */
#define FLAG_COMPRESSED (1u << 16)
#define COMPRESS_DEFLATE 1

/* Byte offsets of the header's fields. */
enum field {
	AT_MAGIC = 0, AT_VERSION = 4, AT_FLAGS = 8, AT_CAPACITY = 12, AT_GRAIN = 20, AT_DESCRIPTOR = 28, AT_DESCRIPTOR_SIZE = 36,
	AT_TABLE_ENTRIES = 44, AT_DIRECTORY = 56, AT_COMPRESS = 77,
};

struct header {
	uint32_t version, flags, table_entries;
	uint64_t capacity, grain, descriptor, descriptor_size, directory; /* in sectors */
	uint16_t compress;
};

static int header_read(int fd, uint64_t at, struct header *ret, mc_err **err)
{
	uint8_t buf[SECTOR];

	if (!bytes_read_all(fd, buf, sizeof(buf), at) || bytes_le32(buf, AT_MAGIC) != MAGIC)
		return mc_err_set(err, 0, "it is no VMDK file of one piece");
	*ret = (struct header){
		.version = bytes_le32(buf, AT_VERSION), .flags = bytes_le32(buf, AT_FLAGS), .capacity = bytes_le64(buf, AT_CAPACITY),
		.grain = bytes_le64(buf, AT_GRAIN), .descriptor = bytes_le64(buf, AT_DESCRIPTOR),
		.descriptor_size = bytes_le64(buf, AT_DESCRIPTOR_SIZE), .table_entries = bytes_le32(buf, AT_TABLE_ENTRIES),
		.directory = bytes_le64(buf, AT_DIRECTORY), .compress = bytes_le16(buf, AT_COMPRESS),
	};
	return 0;
}

static int header_check(const struct header *h, mc_err **err)
{
	if (h->version == 0 || h->version > VERSION_MAX)
		return mc_err_set(err, 0, "it is VMDK of an unknown version (%u)", h->version);
	/* Without a capacity QEMU goes by the descriptor alone, which may name any file. */
	if (h->capacity == 0 || h->capacity > BYTES_MAX_VIRTUAL / SECTOR)
		return mc_err_set(err, 0, "its capacity is out of bounds");
	if (h->grain < GRAIN_MIN || h->grain > GRAIN_MAX || (h->grain & (h->grain - 1)))
		return mc_err_set(err, 0, "its grain size is out of bounds");
	if (h->table_entries != TABLE_ENTRIES)
		return mc_err_set(err, 0, "its grain tables have an impossible size");
	if (h->flags & FLAG_COMPRESSED ? h->compress != COMPRESS_DEFLATE : h->compress != 0)
		return mc_err_set(err, 0, "it is compressed in an unknown way");
	return 0;
}

/* --- the descriptor --------------------------------------------------------- */

struct descriptor {
	unsigned extents;
	bool sparse, parent, single;
};

/* The value of `key=value` or `key="value"`, NULL where the line is another one. Changes the line. */
static char *value_of(char *line, const char *key)
{
	size_t n = strlen(key);
	char *v;

	if (strncasecmp(line, key, n) != 0)
		return NULL;
	v = line + n + strspn(line + n, " \t");
	if (*v != '=')
		return NULL;
	v += 1 + strspn(v + 1, " \t\"");
	v[strcspn(v, "\"\r")] = '\0';
	return v;
}

static void read_line(struct descriptor *d, char *line, uint64_t capacity)
{
	char access[16], type[16], *v;
	unsigned long long sectors;

	line += strspn(line, " \t");
	v = value_of(line, "createType");
	if (v) {
		d->single = strcasecmp(v, "monolithicSparse") == 0 || strcasecmp(v, "streamOptimized") == 0;
		return;
	}
	v = value_of(line, "parentCID");
	if (v) {
		d->parent |= strcasecmp(v, "ffffffff") != 0;
		return;
	}
	if (strncasecmp(line, "parentFileNameHint", 18) == 0) {
		d->parent = true;
		return;
	}
	if (sscanf(line, "%15s %llu %15s", access, &sectors, type) != 3)
		return;
	if (strcasecmp(access, "RW") != 0 && strcasecmp(access, "RDONLY") != 0 && strcasecmp(access, "NOACCESS") != 0)
		return;
	d->extents++;
	d->sparse = strcasecmp(type, "SPARSE") == 0 && sectors == capacity;
}

static int descriptor_check(int fd, const struct header *h, uint64_t file_size, mc_err **err)
{
	uint64_t at = h->descriptor * SECTOR, size = h->descriptor_size * SECTOR;
	struct descriptor d = {0};
	mc_autofree char *text = NULL;
	char *save = NULL;

	if (h->descriptor == 0 || h->descriptor_size == 0 || h->descriptor > file_size / SECTOR ||
	    h->descriptor_size > DESCRIPTOR_MAX / SECTOR || !bytes_within(at, size, file_size))
		return mc_err_set(err, 0, "it has no descriptor within it");
	text = mc_alloc((size_t)size + 1);
	if (!bytes_read_all(fd, text, (size_t)size, at))
		return mc_err_set(err, errno, "cannot read its descriptor");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		read_line(&d, line, h->capacity);
	if (d.parent)
		return mc_err_set(err, 0, "it stands on a parent");
	if (!d.single || d.extents != 1 || !d.sparse)
		return mc_err_set(err, 0, "its descriptor names other extents than its own");
	return 0;
}

/* --- the tables ------------------------------------------------------------- */

struct walk {
	int fd;
	const struct header *header;
	uint64_t file_size, grains;
};

static int walk_table(struct walk *w, uint32_t sector, mc_err **err)
{
	uint64_t at = (uint64_t)sector * SECTOR;
	uint8_t table[TABLE_BYTES];

	if (!bytes_within(at, sizeof(table), w->file_size))
		return mc_err_set(err, 0, "a grain table lies outside the file");
	if (!bytes_read_all(w->fd, table, sizeof(table), at))
		return mc_err_set(err, errno, "cannot read a grain table");
	for (size_t i = 0; i < TABLE_ENTRIES; i++) {
		uint32_t grain = bytes_le32(table, i * 4);

		if (grain <= 1) /* none, or zeroes */
			continue;
		if (!bytes_within((uint64_t)grain * SECTOR, 1, w->file_size))
			return mc_err_set(err, 0, "a grain lies outside the file");
		w->grains++;
	}
	return 0;
}

static int walk_directory(struct walk *w, mc_err **err)
{
	const struct header *h = w->header;
	uint64_t span = h->grain * TABLE_ENTRIES, n = (h->capacity + span - 1) / span;
	uint64_t tables_left = w->file_size / TABLE_BYTES; /* each is one of its own */
	mc_autofree uint8_t *directory = NULL;

	if (h->directory > w->file_size / SECTOR || !bytes_within(h->directory * SECTOR, n * 4, w->file_size))
		return mc_err_set(err, 0, "its grain directory lies outside the file");
	directory = mc_alloc((size_t)n * 4 + 1);
	if (!bytes_read_all(w->fd, directory, (size_t)n * 4, h->directory * SECTOR))
		return mc_err_set(err, errno, "cannot read its grain directory");
	for (uint64_t i = 0; i < n; i++) {
		uint32_t sector = bytes_le32(directory, (size_t)i * 4);

		if (sector == 0)
			continue;
		if (tables_left-- == 0)
			return mc_err_set(err, 0, "its grain tables overlap");
		if (walk_table(w, sector, err) < 0)
			return -1;
	}
	return 0;
}

/* A stream's directory is known at its end alone: the footer repeats the header with it. */
static int take_footer(int fd, uint64_t file_size, struct header *h, mc_err **err)
{
	struct header footer;

	if (h->directory != DIRECTORY_AT_END)
		return 0;
	if (file_size < FOOTER_FROM_END + SECTOR || header_read(fd, file_size - FOOTER_FROM_END, &footer, NULL) < 0)
		return mc_err_set(err, 0, "its footer is missing");
	if (footer.capacity != h->capacity || footer.grain != h->grain || footer.flags != h->flags ||
	    footer.compress != h->compress || footer.table_entries != h->table_entries || footer.version != h->version ||
	    footer.directory == DIRECTORY_AT_END)
		return mc_err_set(err, 0, "its footer differs from its header");
	h->directory = footer.directory;
	return 0;
}

int vmdk_inspect(int fd, const struct stat *st, struct foreign *ret, mc_err **err)
{
	struct header h;
	struct walk w = {.fd = fd, .header = &h, .file_size = (uint64_t)st->st_size};
	uint64_t data;
	bool packed;

	if (header_read(fd, 0, &h, err) < 0 || header_check(&h, err) < 0 || descriptor_check(fd, &h, w.file_size, err) < 0 ||
	    take_footer(fd, w.file_size, &h, err) < 0 || walk_directory(&w, err) < 0)
		return -1;
	data = w.grains * h.grain * SECTOR;
	packed = h.flags & FLAG_COMPRESSED;
	if (foreign_check_amount(packed ? 0 : data, packed ? data : 0, w.file_size, err) < 0)
		return -1;
	ret->virtual_bytes = h.capacity * SECTOR;
	ret->data_bytes = data;
	return 0;
}
