#include "netd/nftnews.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "netd/netlink.h"

#define BUFFER (1 << 20) /* our own transactions may be large */

struct nl_sock *nftnews_open(int ns_fd)
{
	mc_auto_err mc_err *err = NULL;
	struct nl_sock *sk = netlink_open_kept(NETLINK_NETFILTER, ns_fd, &err);

	if (!sk)
		return NULL;
	nl_socket_disable_seq_check(sk);
	nl_socket_set_nonblocking(sk);
	nl_socket_set_buffer_size(sk, BUFFER, 0);
	if (nl_socket_add_memberships(sk, NFNLGRP_NFTABLES, 0) == 0)
		return sk;
	nl_socket_free(sk);
	return NULL;
}

/* All of nft's messages about tables, chains, rules, sets and elements carry the table's name
 * as their attribute 1 (linux/netfilter/nf_tables.h). */
static bool is_ours(const struct nftnews *n, struct nl_msg *msg)
{
	const struct nfgenmsg *head = nlmsg_data(nlmsg_hdr(msg));
	const struct nlattr *name = nlmsg_find_attr(nlmsg_hdr(msg), sizeof(*head), NFTA_TABLE_NAME);

	return !n->table || (head->nfgen_family == NFPROTO_INET && name && nla_strcmp(name, n->table) == 0);
}

/* The kernel sends the notifications of a transaction one after the other, and last the new generation
 * with the name of the thread that ran it. */
static void end_transaction(struct nftnews *n, struct nl_msg *msg)
{
	const struct nlattr *name = nlmsg_find_attr(nlmsg_hdr(msg), sizeof(struct nfgenmsg), NFTA_GEN_PROC_NAME);

	if (n->touched && name && nla_strcmp(name, NETD_NAME) != 0) {
		n->foreign = true;
		nla_strlcpy(n->who, name, sizeof(n->who));
	}
	n->touched = false;
}

static int on_message(struct nl_msg *msg, void *arg)
{
	struct nftnews *n = arg;
	int type = nlmsg_hdr(msg)->nlmsg_type;

	if (type >> 8 != NFNL_SUBSYS_NFTABLES)
		return NL_OK;
	if ((type & 0xff) == NFT_MSG_NEWGEN) {
		end_transaction(n, msg);
	} else if (is_ours(n, msg)) {
		n->touched = true;
		n->doubt = n->doubt || (type & 0xff) == NFT_MSG_DELTABLE;
	}
	return NL_OK;
}

void nftnews_read(struct nl_sock *sk, struct nftnews *news)
{
	int r;

	nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, on_message, news);
	do
		r = nl_recvmsgs_default(sk);
	while (r >= 0);
	news->doubt = news->doubt || r != -NLE_AGAIN;
}
