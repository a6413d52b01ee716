/* Which snapshot bears which blocks: layers written down by hand, as tables of qcow2 without data. A layer is a text, a
 * character for each of its first clusters: '.' none of its own, 'D' data, 'C' compressed data, 'Z' zeros. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "storaged/remainder.h"
#include "storaged/view.h"
#include "tests/unit/storaged_fixture.h"

#define GIB (1LL << 30)
#define L1 (3 * VIEW_CLUSTER) /* behind the header, and what would be the reference counts */
#define L2(table) ((uint64_t)(4 + (table)) * VIEW_CLUSTER)
#define FAR 8192 /* a cluster of the second table */

/* --- files ---------------------------------------------------------------- */

static void put(uint8_t *at, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static uint64_t entry_of(char kind, uint64_t cluster)
{
	switch (kind) {
	case 'D': return 1ULL << 63 | (cluster + 16) * VIEW_CLUSTER;
	case 'C': return 1ULL << 62 | ((cluster + 16) * VIEW_CLUSTER + 1); /* an odd place is no sign of zeros */
	case 'Z': return 1;
	default: return 0;
	}
}

static void write_file(const struct fixture *f, const char *layer, int64_t bytes, const char *clusters, char far)
{
	mc_autofree char *name = store_name(layer);
	mc_autofree uint8_t *file = mc_alloc(L2(2));
	mc_auto_fd int fd = openat(f->storage.store.dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	put(file, 0x514649fb, 4);
	put(file + 4, 3, 4);
	put(file + 20, 16, 4); /* bits of a cluster */
	put(file + 24, (uint64_t)bytes, 8);
	put(file + 36, (uint64_t)((bytes + GIB / 2 - 1) / (GIB / 2)), 4);
	put(file + 40, L1, 8);
	put(file + 48, VIEW_CLUSTER, 8);
	put(file + 100, 104, 4);
	if (*clusters)
		put(file + L1, 1ULL << 63 | L2(0), 8);
	if (far != '.')
		put(file + L1 + 8, 1ULL << 63 | L2(1), 8);
	for (size_t c = 0; clusters[c]; c++)
		put(file + L2(0) + c * 8, entry_of(clusters[c], c), 8);
	put(file + L2(1), entry_of(far, FAR), 8);
	assert_int_equal(write(fd, file, L2(2)), L2(2));
}

/* --- rows ----------------------------------------------------------------- */

static struct layer layer(char name, char parent, int64_t bytes)
{
	struct layer l = {.virtual_bytes = bytes};

	snprintf(l.id, sizeof(l.id), "lay-0000000000000000%c", name);
	if (parent)
		snprintf(l.parent, sizeof(l.parent), "lay-0000000000000000%c", parent);
	return l;
}

static struct snapshot snapshot(char name, const char *owner)
{
	struct snapshot s = {.size_gib = 1};

	snprintf(s.id, sizeof(s.id), "snap-0000000000000000%c", name);
	snprintf(s.owner, sizeof(s.owner), "%s", owner);
	return s;
}

/* A snapshot of this name with a layer of the same: what it bears, in clusters. */
static int64_t add(struct fixture *f, char name, char parent, const char *owner, const char *clusters, char far)
{
	struct snapshot s = snapshot(name, owner);

	s.layer = layer(name, parent, far == '.' ? GIB / 2 : GIB);
	assert_int_equal(graph_layer_begin(f->storage.graph, &s.layer, NULL), 0);
	write_file(f, s.layer.id, s.layer.virtual_bytes, clusters, far);
	assert_int_equal(remainder_settle(&f->storage, &s, NULL), 0);
	assert_int_equal(graph_snapshot_add(f->storage.graph, &s, NULL), 0);
	return (s.bytes + s.inherited) / VIEW_CLUSTER;
}

/* Another one of a layer. */
static int64_t copy(struct fixture *f, char name, char of, const char *owner, bool whole)
{
	struct snapshot s = snapshot(name, owner);

	s.whole = whole;
	s.layer = layer(of, 0, 0);
	assert_int_equal(graph_layer_find(f->storage.graph, s.layer.id, &s.layer, NULL), 0);
	assert_int_equal(remainder_settle(&f->storage, &s, NULL), 0);
	assert_int_equal(graph_snapshot_share(f->storage.graph, &s, NULL), 0);
	return (s.bytes + s.inherited) / VIEW_CLUSTER;
}

static struct snapshot find(struct fixture *f, char name)
{
	struct snapshot s = snapshot(name, "");

	assert_int_equal(graph_snapshot_find(f->storage.graph, s.id, &s, NULL), 0);
	return s;
}

/* By the records, which reckoning anew must agree with. */
static int64_t borne(struct fixture *f, char name)
{
	struct snapshot s = find(f, name), now = s;

	assert_int_equal(remainder_settle(&f->storage, &now, NULL), 0);
	assert_int_equal(now.bytes + now.inherited, s.bytes + s.inherited);
	return (s.bytes + s.inherited) / VIEW_CLUSTER;
}

/* "B2 C1": who inherits how many clusters; NULL: whoever. */
static void removes(struct fixture *f, char name, const char *wanted)
{
	auto_remainder m = {.n = 0};
	struct snapshot s = find(f, name);
	struct layer gone;
	char got[100] = "";

	assert_int_equal(remainder_left(&f->storage, &s, &m, NULL), 0);
	for (size_t i = 0, len = 0; i < m.n; i++)
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%c%lld", i ? " " : "", m.heirs[i].id[strlen(m.heirs[i].id) - 1],
					(long long)m.heirs[i].bytes / VIEW_CLUSTER);
	if (wanted)
		assert_string_equal(got, wanted);
	assert_in_range(graph_snapshot_remove(f->storage.graph, s.id, m.heirs, m.n, &gone, NULL), 0, 1);
}

/* --- tests ---------------------------------------------------------------- */

static void test_one_after_the_other(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 'A', 0, "", "DDDDCC", 'D'), 7);
	assert_int_equal(add(f, 'B', 'A', "", "..DZ", 'Z'), 1);
	assert_int_equal(add(f, 'C', 'B', "", "D.", '.'), 1);
	removes(f, 'B', "C1");
	removes(f, 'A', "C3"); /* 1, 4 and 5: the last is half as long */
	assert_int_equal(borne(f, 'C'), 5);
	removes(f, 'C', "");
}

static void test_branches(void **state)
{
	struct fixture *f = *state;

	add(f, 'A', 0, "", "DDDD", '.');
	assert_int_equal(add(f, 'B', 'A', "", "..ZD", '.'), 1);
	assert_int_equal(add(f, 'C', 'A', "", ".D", '.'), 1);
	assert_int_equal(add(f, 'D', 'C', "", "Z...D", '.'), 1);
	removes(f, 'A', "B2 C2"); /* of 2 and 3 the second branch; its own child has nothing that it has not */
	assert_int_equal(borne(f, 'B'), 3);
	assert_int_equal(borne(f, 'C'), 3);
	removes(f, 'C', "D3"); /* C's, and the two of A's */
	removes(f, 'B', "");   /* D shows zeros at 0, and C's at 1 */
	assert_int_equal(borne(f, 'D'), 4);
}

static void test_nobody_bears_it_until_somebody_does(void **state)
{
	struct fixture *f = *state;
	struct layer top = layer('V', 'A', GIB / 2);

	add(f, 'A', 0, "", "DDD", '.');
	assert_int_equal(graph_layer_begin(f->storage.graph, &top, NULL), 0); /* a volume's: its layer stays */
	removes(f, 'A', "");
	assert_int_equal(add(f, 'B', 'A', "", "D", '.'), 1 + 2);
	assert_int_equal(add(f, 'C', 'A', "", ".D", '.'), 1 + 1);
	removes(f, 'B', "C1");
	assert_int_equal(borne(f, 'C'), 3);
}

static void test_owners(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 'A', 0, "1/x", "DDD", '.'), 3);
	assert_int_equal(copy(f, 'K', 'A', "1/x", false), 0);
	assert_int_equal(copy(f, 'O', 'A', "2/x", false), 3);
	assert_int_equal(add(f, 'B', 'A', "2/x", "D", '.'), 1);
	assert_int_equal(add(f, 'C', 'A', "1/x", "D", '.'), 1);
	removes(f, 'A', "K3");
	removes(f, 'O', "B2");
	removes(f, 'K', "C2");
	assert_int_equal(add(f, 'E', 'A', "", "", '.'), 1); /* everybody's: both others have written to the first */
}

/* What lies between is named by one that was taken after it, which shows no less of what lies below. */
static void test_a_younger_one_below(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 'A', 0, "1/y", "DDD", '.'), 3);
	assert_int_equal(add(f, 'B', 'A', "2/x", "", '.'), 3);
	assert_int_equal(add(f, 'C', 'B', "1/x", "..DD", '.'), 2 + 2);
	assert_int_equal(copy(f, 'K', 'B', "1/x", false), 1); /* the one that C hides */
	assert_int_equal(copy(f, 'L', 'A', "1/x", false), 0);
	assert_int_equal(borne(f, 'C'), 4);
	removes(f, 'C', "K2");
	assert_int_equal(borne(f, 'K'), 3);
	removes(f, 'K', "L3");
	assert_int_equal(borne(f, 'L'), 3);
	assert_int_equal(borne(f, 'B'), 3);
}

static void test_images(void **state)
{
	struct fixture *f = *state;
	struct image i = {.id = "ami-0123456789abcdef0", .source = "/x", .sha256 = "00", .layer = layer('I', 0, GIB / 2)};
	struct layer gone;

	assert_int_equal(graph_layer_begin(f->storage.graph, &i.layer, NULL), 0);
	write_file(f, i.layer.id, GIB / 2, "DDDD", '.');
	assert_int_equal(graph_image_add(f->storage.graph, &i, NULL), 0);
	assert_int_equal(add(f, 'A', 'I', "", "D", '.'), 1);
	assert_int_equal(copy(f, 'K', 'I', "", true), 4);
	assert_int_equal(copy(f, 'L', 'I', "", true), 0);
	assert_int_equal(graph_image_remove(f->storage.graph, i.id, &gone, NULL), 1);
	assert_int_equal(borne(f, 'A'), 1);
	removes(f, 'K', "L4");
	removes(f, 'L', "");
	assert_int_equal(add(f, 'B', 'I', "", ".D", '.'), 1);
}

static void test_what_cannot_be_read(void **state)
{
	struct fixture *f = *state;
	auto_remainder m = {.n = 0};
	struct snapshot s;

	add(f, 'A', 0, "", "DDDD", '.');
	add(f, 'B', 'A', "", "D", '.');
	assert_int_equal(unlinkat(f->storage.store.dir_fd, "lay-0000000000000000B.qcow2", 0), 0);
	s = find(f, 'A');
	assert_int_equal(remainder_left(&f->storage, &s, &m, NULL), -1);
	assert_int_equal(m.n, 0);
}

/* --- at random ------------------------------------------------------------ */

#define CASES 8
#define STEPS 24
#define WIDTH 5 /* clusters, and the far one behind them */

struct drawn_layer {
	int below; /* -1: nothing */
	bool image;
	char clusters[WIDTH + 1], far;
};

struct drawn_snapshot {
	char name;
	int layer;
	const char *owner;
	bool whole, gone;
};

/* Layer i is called 'A' + i; a snapshot as the layer that it came with, a copy by a small letter. */
struct drawing {
	struct fixture *f;
	unsigned seed;
	struct drawn_layer layers[STEPS + 1];
	struct drawn_snapshot snapshots[STEPS];
	int n_layers, n_snapshots;
};

static int draw(struct drawing *d, int below)
{
	return rand_r(&d->seed) / 7 % below;
}

/* The layer that has what one who reads this one sees there, -1: nobody. */
static int shown(const struct drawing *d, int l, int cluster)
{
	for (; l >= 0; l = d->layers[l].below) {
		char c = cluster < WIDTH ? d->layers[l].clusters[cluster] : d->layers[l].far;

		if (c == 'D' || c == 'C')
			return l;
		if (c == 'Z' || (cluster == WIDTH && c == '.')) /* it has but the first half */
			return -1;
	}
	return -1;
}

static bool refers(const struct drawing *d, const struct drawn_snapshot *s, int cluster, int l)
{
	return !s->gone && shown(d, s->layer, cluster) == l && (!d->layers[l].image || s->whole);
}

/* By the rule alone: those that no earlier one of its owner's refers to. */
static int64_t rule(const struct drawing *d, int i)
{
	int64_t n = 0;

	for (int c = 0; c <= WIDTH; c++) {
		int l = shown(d, d->snapshots[i].layer, c), e = 0;

		if (l < 0 || !refers(d, &d->snapshots[i], c, l))
			continue;
		while (e < i && (strcmp(d->snapshots[e].owner, d->snapshots[i].owner) != 0 || !refers(d, &d->snapshots[e], c, l)))
			e++;
		n += e == i;
	}
	return n;
}

/* So that the layer stays, whoever goes. */
static void pin(const struct drawing *d, int l)
{
	struct layer top = layer((char)('a' + l), (char)('A' + l), GIB / 2);

	assert_int_equal(graph_layer_begin(d->f->storage.graph, &top, NULL), 0);
}

static struct drawn_snapshot *draw_snapshot(struct drawing *d, char name, int l)
{
	static const char *const owners[] = {"1/x", "1/x", "2/x"};
	struct drawn_snapshot *s = &d->snapshots[d->n_snapshots++];

	*s = (struct drawn_snapshot){.name = name, .layer = l, .owner = owners[draw(d, 3)]};
	return s;
}

static void draw_image(struct drawing *d)
{
	struct image i = {.id = "ami-0123456789abcdef0", .source = "/x", .sha256 = "00", .layer = layer('A', 0, GIB / 2)};
	struct drawn_layer *l = &d->layers[d->n_layers++];

	*l = (struct drawn_layer){.below = -1, .image = true, .clusters = "DD.DZ", .far = '.'};
	assert_int_equal(graph_layer_begin(d->f->storage.graph, &i.layer, NULL), 0);
	write_file(d->f, i.layer.id, GIB / 2, l->clusters, l->far);
	assert_int_equal(graph_image_add(d->f->storage.graph, &i, NULL), 0);
	pin(d, 0);
}

static void draw_add(struct drawing *d)
{
	int at = d->n_layers++;
	struct drawn_layer *l = &d->layers[at];
	struct drawn_snapshot *s = draw_snapshot(d, (char)('A' + at), at);

	*l = (struct drawn_layer){.below = draw(d, at + 1) - 1, .far = "...DZ"[draw(d, 5)]};
	for (int c = 0; c < WIDTH; c++)
		l->clusters[c] = "....DDCZ"[draw(d, 8)];
	if (draw(d, 3) == 0)
		memset(l->clusters, '.', WIDTH);
	assert_int_equal(add(d->f, s->name, l->below < 0 ? 0 : (char)('A' + l->below), s->owner, l->clusters, l->far),
			 rule(d, d->n_snapshots - 1));
	pin(d, at);
}

static void draw_copy(struct drawing *d)
{
	int at = draw(d, d->n_layers);
	struct drawn_snapshot *s = draw_snapshot(d, (char)('a' + d->n_snapshots), at);

	s->whole = d->layers[at].image;
	assert_int_equal(copy(d->f, s->name, (char)('A' + at), s->owner, s->whole), rule(d, d->n_snapshots - 1));
}

static void draw_removal(struct drawing *d)
{
	struct drawn_snapshot *s = &d->snapshots[draw(d, d->n_snapshots)];

	if (s->gone)
		return;
	removes(d->f, s->name, NULL);
	s->gone = true;
}

static void draw_step(struct drawing *d)
{
	static void (*const steps[])(struct drawing *d) = {draw_add, draw_add, draw_copy, draw_removal, draw_removal};

	if (d->n_snapshots == 0)
		draw_add(d);
	else
		steps[draw(d, MC_ARRAY_SIZE(steps))](d);
	for (int i = 0; i < d->n_snapshots; i++)
		if (!d->snapshots[i].gone && borne(d->f, d->snapshots[i].name) != rule(d, i))
			fail_msg("%c bears %lld, by the rule %lld", d->snapshots[i].name, (long long)borne(d->f, d->snapshots[i].name),
				 (long long)rule(d, i));
}

static void test_at_random(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= CASES; seed++) {
		struct drawing d = {.seed = seed};
		void *fixture;

		assert_int_equal(set_up(&fixture), 0);
		d.f = fixture;
		if (draw(&d, 2))
			draw_image(&d);
		for (int n = 0; n < STEPS; n++)
			draw_step(&d);
		tear_down(&fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_after_the_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_branches, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nobody_bears_it_until_somebody_does, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_owners, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_younger_one_below, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_images, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_read, set_up, tear_down),
		cmocka_unit_test(test_at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
