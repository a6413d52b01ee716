/* Our own sub-commands: what they are called, what they do, what they take. Help, completion and
 * the manual pages are made of this. */
#include <string.h>

#include "cli/command.h"
#include "cli/help.h"
#include "common/cleanup.h"

static const struct command_option console_options[] = {
	{ "--force", "", "Take the console over from the session that has it." },
	{ 0 },
};

static const struct command_option ssh_options[] = {
	{ "-l", "USER", "Log in as USER; ec2-user." },
	{ "-i", "KEYFILE", "Use this private key; that of the instance's key pair in ~/.minicloud/keys." },
	{ 0 },
};

static const struct command_option top_options[] = {
	{ "--once", "", "Look twice, print the table once and end." },
	{ "--batch", "", "Print table after table, without a screen; so also where standard output is no terminal." },
	{ "--count", "N", "End after N tables." },
	{ "--delay", "SECONDS", "Seconds from look to look; 2. Events bring one sooner." },
	{ 0 },
};

static const struct command_option bill_options[] = {
	{ "--by", "WHAT", "Group by service, resource, usage, type, region, zone, account, or tag:KEY." },
	{ "--month", "YYYY-MM", "Another month than this." },
	{ "--resource", "ID", "Of this resource alone." },
	{ "--watch", "", "Again every second." },
	{ "--count", "N", "With --watch: end after N times." },
	{ "--explain", "", "Line by line: quantity x time x price." },
	{ 0 },
};

static const struct command_option billing_options[] = {
	{ "--month", "YYYY-MM", "The month." },
	{ "--prices", "FILE", "The other price list." },
	{ "--dry-run", "", "Only show it." },
	{ 0 },
};

static const struct command rows[] = {
	{ .name = "ssh", .arguments = "INSTANCE [-l USER] [-i KEYFILE] [COMMAND ...]",
	  .help = "Log in to an instance, with the key file of its key pair.", .run = command_ssh, .own_options = true,
	  .options = ssh_options, .words = "InstanceId",
	  .details = "Runs ssh to the instance's public address. The host key is remembered by the instance's id, since addresses are "
		     "used again. Create a key pair with \"create-key-pair --save\" and its private key is where it is looked for." },
	{ .name = "console", .arguments = "INSTANCE [--force]",
	  .help = "The instance's serial console on this terminal; Ctrl-] leaves it.", .run = command_console,
	  .options = console_options, .words = "InstanceId",
	  .details = "Everything that is typed goes to the guest, Ctrl-C too; Ctrl-] alone leaves, and the terminal is as it was. A guest "
		     "that waits for input shows its prompt when Enter is pressed. One session has the console; who loses it is told. "
		     "\"get-console-output\" shows what the guest has said before." },
	{ .name = "bill", .arguments = "[--by WHAT] [--month YYYY-MM] [--watch | --explain] | simulate PLAN.json | invoice FILE",
	  .help = "What this month has cost so far, what it costs now and will cost.", .run = command_bill, .options = bill_options,
	  .details = "\"bill simulate PLAN.json\" is a month of a described fleet, without running it. \"bill invoice FILE\" makes a page "
		     "(FILE.html) or one for printing (FILE.pdf, needs weasyprint)." },
	{ .name = "meters", .arguments = "", .help = "Print the address of the meters' page, for a browser or a projector.",
	  .run = command_meters },
	{ .name = "billing", .arguments = "reprice --month YYYY-MM [--prices FILE] [--dry-run]",
	  .help = "What another price list would have billed.", .run = command_billing, .options = billing_options },
	{ .name = "env", .arguments = "", .help = "Print the settings for aws, boto3 and others: eval \"$(minicloud env)\"",
	  .run = command_env,
	  .details = "Sets AWS_ENDPOINT_URL, the keys of the default account and the region, and defines a shell function \"aws\" for AWS "
		     "CLIs that are too old to know the former. Needs the cloud's unix socket." },
	{ .name = "wait", .arguments = "CONDITION [options]", .help = "Wait until something is so: wait instance-running ...",
	  .run = command_wait, .more = help_waiters,
	  .details = "The conditions and what makes them fail are the AWS CLI's. It follows what happens in the cloud, so that it ends when "
		     "the thing is so and not at the next look; where there are no events it asks again and again.\n\n"
		     "It ends with 0 when the condition holds, and with 255 when it cannot come about any more or did not in the time that "
		     "the AWS CLI would wait." },
	{ .name = "top", .arguments = "[--once | --batch [--count N]] [--delay SECONDS]",
	  .help = "What the instances do just now: state, processor, memory, network, disk.", .run = command_top, .options = top_options,
	  .details = "CPU % is of one processor. Memory is what the instance holds of the host's, \"of\" what it was given. Keys: q leaves; "
		     "c, m, n, d, a sort by processor, memory, network, disk, age. --output json gives the figures." },
	{ .name = "why", .arguments = "SOURCE DEST[:PORT[/udp]]",
	  .help = "May SOURCE reach DEST, and if not, why not?", .run = command_why, .words = "InstanceId",
	  .details = "Each is an instance's id or Name tag, an address, or \"internet\". It ends with 0 where DEST can be reached and with 1 "
		     "where it cannot." },
	{ .name = "doctor", .arguments = "", .help = "Look for what is wrong with the cloud's host, and say what to do about it.",
	  .run = command_doctor,
	  .details = "Looks at KVM, libvirt, memory, kernel, forwarding, other firewalls, our own rules, the public addresses, limits, disk, "
		     "clock, images, and at resources that do not get to where they should be. Where daemons do not answer it looks itself "
		     "(as root).\n\nIt ends with 1 where something does not work, with 0 where there are warnings at most." },
	{ .name = "version", .arguments = "", .help = "Print the version.", .run = command_version },
	{ .name = "help", .arguments = "[COMMAND | operations]", .help = "Explain a command.", .run = command_help },
	{ .name = "__complete", .arguments = "", .run = command_complete, .own_options = true },
	{ .name = "__man", .arguments = "", .run = command_man },
	{ 0 },
};

const struct command *command_rows(void)
{
	return rows;
}

const struct command *command_find(const char *name)
{
	for (const struct command *c = rows; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}
