/* What is heard of nft's transactions, in pieces as the kernel sends them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdint.h>

#include "netd/netlink.h"
#include "netd/nftnews.h"

/* A subscriber, and who speaks to it as the kernel would. */
struct ends {
	struct nl_sock *kernel, *heard;
};

static void set_up(struct ends *e)
{
	e->kernel = netlink_open(NETLINK_USERSOCK, -1, NULL);
	e->heard = netlink_open(NETLINK_USERSOCK, -1, NULL);
	assert_true(e->kernel && e->heard);
	nl_socket_disable_seq_check(e->heard);
	nl_socket_set_nonblocking(e->heard);
	nl_socket_set_peer_port(e->kernel, nl_socket_get_local_port(e->heard));
}

static void tear_down(struct ends *e)
{
	nl_socket_free(e->kernel);
	nl_socket_free(e->heard);
}

static void tell(const struct ends *e, int type, int attr, const char *text)
{
	struct nfgenmsg nfg = { .nfgen_family = NFPROTO_INET };
	struct nl_msg *msg = netlink_msg(NFNL_SUBSYS_NFTABLES << 8 | type, 0);

	netlink_append(msg, &nfg, sizeof(nfg));
	netlink_put_str(msg, attr, text);
	assert_true(nl_send_auto(e->kernel, msg) > 0);
	nlmsg_free(msg);
}

static void test_a_transaction_in_pieces(void **state)
{
	struct nftnews news = { .table = "minicloud" };
	struct ends e;

	(void)state;
	set_up(&e);
	tell(&e, NFT_MSG_NEWRULE, NFTA_RULE_TABLE, "minicloud");
	nftnews_read(e.heard, &news);
	assert_true(news.touched);
	assert_false(news.foreign || news.doubt);
	tell(&e, NFT_MSG_NEWGEN, NFTA_GEN_PROC_NAME, "nft");
	nftnews_read(e.heard, &news);
	assert_true(news.foreign);
	assert_string_equal(news.who, "nft");
	assert_false(news.touched || news.doubt);
	tear_down(&e);
}

static void test_whose_and_of_what(void **state)
{
	struct nftnews news = { .table = "minicloud" };
	struct ends e;

	(void)state;
	set_up(&e);
	tell(&e, NFT_MSG_NEWRULE, NFTA_RULE_TABLE, "another");
	tell(&e, NFT_MSG_NEWGEN, NFTA_GEN_PROC_NAME, "nft");
	tell(&e, NFT_MSG_NEWRULE, NFTA_RULE_TABLE, "minicloud");
	tell(&e, NFT_MSG_NEWGEN, NFTA_GEN_PROC_NAME, NETD_NAME);
	nftnews_read(e.heard, &news);
	assert_false(news.foreign || news.doubt || news.touched);
	tell(&e, NFT_MSG_DELTABLE, NFTA_TABLE_NAME, "minicloud");
	tell(&e, NFT_MSG_NEWGEN, NFTA_GEN_PROC_NAME, NETD_NAME);
	nftnews_read(e.heard, &news);
	assert_true(news.doubt && !news.foreign);
	tear_down(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_a_transaction_in_pieces), cmocka_unit_test(test_whose_and_of_what) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
