/* The records of layers: what may stand on what, and what goes when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "storaged/graph.h"
#include "storaged/image.h"
#include "tests/unit/scratch_directory.h"

#define AMI "ami-0123456789abcdef0"
#define VOL1 "vol-0123456789abcdef1"
#define VOL2 "vol-0123456789abcdef2"
#define BASE "lay-0123456789abcdef0"
#define TOP1 "lay-0123456789abcdef1"
#define TOP2 "lay-0123456789abcdef2"

struct fixture {
	struct scratch_directory dir;
	struct graph *graph;
};

static int set_up(void **state)
{
	struct fixture *f = mc_alloc(sizeof(*f));

	f->dir = scratch_directory_make();

	mc_autofree char *path = mc_strf("%s/db", f->dir.path);

	f->graph = graph_open(path, NULL);
	*state = f;
	return f->graph ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	graph_close(f->graph);
	scratch_directory_remove(&f->dir);
	free(f);
	return 0;
}

static struct layer layer(const char *id, const char *parent)
{
	struct layer l = {.virtual_bytes = 1LL << 30};

	snprintf(l.id, sizeof(l.id), "%s", id);
	snprintf(l.parent, sizeof(l.parent), "%s", parent);
	return l;
}

static void add_image(struct graph *g)
{
	struct image i = {.id = AMI, .sha256 = "00", .source = "/x/a.qcow2", .layer = layer(BASE, "")};

	assert_int_equal(graph_layer_begin(g, &i.layer, NULL), 0);
	assert_int_equal(graph_image_add(g, &i, NULL), 0);
}

static void add_volume(struct graph *g, const char *id, const char *top)
{
	struct volume v = {.source = AMI, .size_gib = 1, .layer = layer(top, BASE)};

	snprintf(v.id, sizeof(v.id), "%s", id);
	assert_int_equal(graph_layer_begin(g, &v.layer, NULL), 0);
	assert_int_equal(graph_volume_add(g, &v, NULL, NULL), 0);
}

static void test_round_trip(void **state)
{
	struct graph *g = ((struct fixture *)*state)->graph;
	struct volume v;
	struct image i;

	add_image(g);
	add_volume(g, VOL1, TOP1);
	assert_int_equal(graph_volume_find(g, VOL1, &v, NULL), 0);
	assert_string_equal(v.source, AMI);
	assert_string_equal(v.layer.id, TOP1);
	assert_string_equal(v.layer.parent, BASE);
	assert_int_equal(v.layer.state, LAYER_READY);
	assert_int_equal(v.size_gib, 1);
	assert_int_equal(graph_image_find(g, AMI, &i, NULL), 0);
	assert_string_equal(i.source, "/x/a.qcow2");
	assert_int_equal(i.layer.state, LAYER_FROZEN);
	image_deinit(&i);
	assert_int_equal(graph_volume_find(g, VOL2, &v, NULL), 1);
}

static void test_base_must_be_frozen(void **state)
{
	struct graph *g = ((struct fixture *)*state)->graph;
	struct layer on_nothing = layer(TOP1, BASE), base = layer(BASE, "");

	assert_int_equal(graph_layer_begin(g, &on_nothing, NULL), 1);
	assert_int_equal(graph_layer_begin(g, &base, NULL), 0);
	assert_int_equal(graph_layer_begin(g, &on_nothing, NULL), 1); /* still creating */
}

/* The base outlives its image while a volume stands on it, and goes with the last. */
static void test_base_goes_last(void **state)
{
	char parent[MC_ID_LEN];
	struct graph *g = ((struct fixture *)*state)->graph;
	struct layer gone, l;

	add_image(g);
	add_volume(g, VOL1, TOP1);
	add_volume(g, VOL2, TOP2);
	assert_int_equal(graph_image_remove(g, AMI, &gone, NULL), 1);
	assert_int_equal(graph_volume_remove(g, VOL1, &gone, NULL), 0);
	assert_string_equal(gone.id, TOP1);
	assert_int_equal(gone.state, LAYER_DELETING);
	assert_int_equal(graph_layer_forget(g, TOP1, parent, NULL), 0);
	assert_int_equal(graph_layer_release(g, BASE, &gone, NULL), 1);
	assert_int_equal(graph_volume_remove(g, VOL2, &gone, NULL), 0);
	assert_int_equal(graph_layer_release(g, BASE, &gone, NULL), 1); /* the row of TOP2 is still there */
	assert_int_equal(graph_layer_forget(g, TOP2, parent, NULL), 0);
	assert_int_equal(graph_layer_release(g, BASE, &gone, NULL), 0);
	assert_int_equal(graph_layer_forget(g, BASE, parent, NULL), 0);
	assert_int_equal(graph_layer_find(g, BASE, &l, NULL), 1);
}

static void test_remove_twice(void **state)
{
	struct graph *g = ((struct fixture *)*state)->graph;
	struct layer gone;

	add_image(g);
	assert_int_equal(graph_image_remove(g, AMI, &gone, NULL), 0);
	assert_int_equal(graph_image_remove(g, AMI, &gone, NULL), 1);
	assert_int_equal(graph_volume_remove(g, VOL1, &gone, NULL), 1);
}

/* A live layer's row cannot be dropped, and a volume needs a layer in the making. */
static void test_guards(void **state)
{
	char parent[MC_ID_LEN];
	struct graph *g = ((struct fixture *)*state)->graph;
	struct volume again = {.id = VOL2, .size_gib = 1, .layer = layer(TOP1, BASE)};
	mc_auto_err mc_err *err = NULL;
	struct layer l;

	add_image(g);
	add_volume(g, VOL1, TOP1);
	assert_int_equal(graph_layer_forget(g, TOP1, parent, NULL), 0);
	assert_int_equal(graph_layer_find(g, TOP1, &l, NULL), 0);
	assert_int_equal(graph_volume_add(g, &again, NULL, &err), -1);
	assert_non_null(err);
	assert_int_equal(graph_volume_find(g, VOL2, &again, NULL), 1);
	assert_false(graph_disk_full(g));
}

static void test_state_names(void **state)
{
	(void)state;
	for (enum layer_state s = 0; s < LAYER_STATE_MAX; s++)
		assert_int_equal(layer_state_parse(layer_state_name(s)), s);
	assert_int_equal(layer_state_parse("gone"), LAYER_STATE_MAX);
}

static void test_source_name(void **state)
{
	static const char *const bad[] = {"/imports", "/imports/", "/imports/.hidden", "/imports/a/b",
					  "/importsx/a", "/other/a", "a", "/imports/.."};

	(void)state;
	assert_string_equal(image_source_name("/imports", "/imports/a.qcow2"), "a.qcow2");
	assert_string_equal(image_source_name("/imports/", "/imports/a.qcow2"), "a.qcow2");
	for (size_t i = 0; i < MC_ARRAY_SIZE(bad); i++)
		assert_null(image_source_name("/imports", bad[i]));
}

int main(void)
{
#define GRAPH_TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		GRAPH_TEST(test_round_trip), GRAPH_TEST(test_base_must_be_frozen),
		GRAPH_TEST(test_base_goes_last), GRAPH_TEST(test_remove_twice), GRAPH_TEST(test_guards),
		cmocka_unit_test(test_state_names), cmocka_unit_test(test_source_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
