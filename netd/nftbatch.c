#include "netd/nftbatch.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "netd/nftkey.h"
#include "netd/nftread.h"

#define MAX_ELEMENTS 1024 /* 100 KiB of messages, far below a socket's send buffer */
#define PER_MESSAGE 40    /* fit into libnl's page, whatever the keys */

/* --- what fits ------------------------------------------------------------------- */

/* The spec of a managed set is "type a . b;" and perhaps more. */
static uint32_t type_of(const struct ruleset_set *s)
{
	mc_autofree char *type = strncmp(s->spec, "type ", 5) == 0
					 ? strndup(s->spec + 5, strcspn(s->spec + 5, ";")) : NULL;

	return type ? nftkey_type(type) : 0;
}

static bool all_plain(const struct rulediff_element *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!rows[i].set->managed || *rows[i].element->data || *rows[i].element->comment)
			return false;
	return true;
}

bool nftbatch_fits(const struct rulediff *d)
{
	return !d->structural && d->n_gone + d->n_fresh <= MAX_ELEMENTS &&
	       all_plain(d->gone, d->n_gone) && all_plain(d->fresh, d->n_fresh);
}

/* --- the messages ------------------------------------------------------------------- */

struct batch {
	char *data;
	size_t len;
};

static void append(struct batch *b, struct nl_msg *msg)
{
	struct nlmsghdr *h = nlmsg_hdr(msg);
	size_t n = NLMSG_ALIGN(h->nlmsg_len);
	char *grown = realloc(b->data, b->len + n);

	if (!grown)
		abort();
	memset(grown + b->len, 0, n);
	memcpy(grown + b->len, h, h->nlmsg_len);
	b->data = grown;
	b->len += n;
	nlmsg_free(msg);
}

static struct nl_msg *message(int type, int flags, int family, uint16_t res_id)
{
	struct nfgenmsg nfg = { .nfgen_family = (unsigned char)family, .version = NFNETLINK_V0,
				.res_id = htobe16(res_id) };
	struct nl_msg *msg = netlink_msg(type, flags);

	/* Errors alone are told; only the last message asks for more. */
	nlmsg_hdr(msg)->nlmsg_flags &= (uint16_t)~NLM_F_ACK;
	netlink_append(msg, &nfg, sizeof(nfg));
	return msg;
}

static void append_edge(struct batch *b, int type, uint32_t generation)
{
	struct nl_msg *msg = message(type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);

	if (type == NFNL_MSG_BATCH_BEGIN)
		netlink_put_u32(msg, NFNL_BATCH_GENID, htobe32(generation));
	append(b, msg);
}

static int put_element(struct nl_msg *msg, uint32_t type, const char *key)
{
	unsigned char bytes[NFTKEY_MAX];
	struct nlattr *elem, *value;
	size_t len;

	if (!nftkey_encode(type, key, bytes, &len))
		return -1;
	elem = netlink_nest(msg, NFTA_LIST_ELEM);
	value = netlink_nest(msg, NFTA_SET_ELEM_KEY);
	netlink_put(msg, NFTA_DATA_VALUE, bytes, len);
	nla_nest_end(msg, value);
	nla_nest_end(msg, elem);
	return 0;
}

/* As many elements as are of one set; how many, 0 when one cannot be written. */
static size_t append_some(struct batch *b, int command, const struct rulediff_element *rows,
			  size_t n, uint32_t type)
{
	const char *table, *set = strrchr(rows[0].set->name, ' ') + 1;
	int family = nftread_family(rows[0].set->name, &table);
	mc_autofree char *name = strndup(table, (size_t)(set - table) - 1);
	struct nl_msg *msg = message(NFNL_SUBSYS_NFTABLES << 8 | command,
				     command == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0, family, 0);
	struct nlattr *list;
	size_t k = 0;

	netlink_put_str(msg, NFTA_SET_ELEM_LIST_TABLE, name);
	netlink_put_str(msg, NFTA_SET_ELEM_LIST_SET, set);
	list = netlink_nest(msg, NFTA_SET_ELEM_LIST_ELEMENTS);
	while (k < n && k < PER_MESSAGE && rows[k].set == rows[0].set) {
		if (put_element(msg, type, rows[k].element->key) < 0) {
			nlmsg_free(msg);
			return 0;
		}
		k++;
	}
	nla_nest_end(msg, list);
	append(b, msg);
	return k;
}

static int append_all(struct batch *b, int command, const struct rulediff_element *rows, size_t n,
		      const struct ruleset *wanted)
{
	for (size_t at = 0, k; at < n; at += k) {
		/* What the kernel showed has no spec; the wanted set of that name has. */
		const struct ruleset_set *s = ruleset_find_set(wanted, rows[at].set->name);
		uint32_t type = s ? type_of(s) : 0;

		k = type ? append_some(b, command, rows + at, n - at, type) : 0;
		if (k == 0)
			return -1;
	}
	return 0;
}

/* --- sending -------------------------------------------------------------------------- */

static int on_error(struct sockaddr_nl *who, struct nlmsgerr *e, void *arg)
{
	(void)who;
	if (e->error != 0 && *(int *)arg == 0)
		*(int *)arg = e->error;
	return NL_SKIP;
}

static int any_sequence(struct nl_msg *msg, void *arg)
{
	(void)msg;
	(void)arg;
	return NL_OK;
}

static void set_blocking(struct nl_sock *sk, bool blocking)
{
	int fd = nl_socket_get_fd(sk), flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

/* The kernel has worked the batch off when the sending returns; what it has to say waits. */
static int send_batch(struct nl_sock *sk, struct batch *b)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_CUSTOM);
	int error = 0, r;

	if (!cb)
		abort();
	nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, any_sequence, NULL);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, &error);
	MC_CRASH_POINT();
	set_blocking(sk, false);
	r = nl_sendto(sk, b->data, b->len) < 0 ? -EIO : 0;
	MC_CRASH_POINT();
	while (r >= 0)
		r = nl_recvmsgs(sk, cb);
	set_blocking(sk, true);
	nl_cb_put(cb);
	if (error)
		return error;
	return r == -NLE_AGAIN ? 0 : -EIO;
}

int nftbatch_run(struct nl_sock *sk, const struct rulediff *d, uint32_t generation, mc_err **err)
{
	struct batch b = { .len = 0 };
	int r = -EINVAL;

	append_edge(&b, NFNL_MSG_BATCH_BEGIN, generation);
	if (append_all(&b, NFT_MSG_DELSETELEM, d->gone, d->n_gone, d->wanted) == 0 &&
	    append_all(&b, NFT_MSG_NEWSETELEM, d->fresh, d->n_fresh, d->wanted) == 0) {
		append_edge(&b, NFNL_MSG_BATCH_END, 0);
		r = send_batch(sk, &b);
	}
	free(b.data);
	if (r == -ERESTART)
		return 0;
	return r < 0 ? mc_err_set(err, -r, "the kernel refuses the nft batch") : 1;
}
