#include "hypervisor/accelerator.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"

#define MEMORY_SIZE 0x10000
#define PML4 0x1000
#define PDPT 0x2000
#define CODE 0x4000
#define PORT 0x42
#define TICK_US 100000
#define RUN_AT_MOST (5 * MC_SECOND) /* it takes some milliseconds, unless the host has no processor for us */

static const char *const texts[ACCELERATOR_MAX] = {
	[ACCELERATOR_KVM] = "KVM works: a test guest ran",
	[ACCELERATOR_ABSENT] = "there is no /dev/kvm: emulation (TCG), slow",
	[ACCELERATOR_DENIED] = "/dev/kvm may not be opened (permissions: the daemon and QEMU need its group): emulation (TCG), slow",
	[ACCELERATOR_BROKEN] = "/dev/kvm opens but a test guest did not run: emulation (TCG), slow",
};

const char *accelerator_text(enum accelerator_verdict v)
{
	return texts[v];
}

/* --- the guest ------------------------------------------------------------ */

static const uint8_t code[] = {
	0x66, 0x0f, 0xef, 0xc0,             /* pxor %xmm0, %xmm0 */
	0xb9, 0x40, 0x42, 0x0f, 0x00,       /* mov  $1000000, %ecx */
	0xff, 0xc9,                         /* dec  %ecx */
	0x75, 0xfc,                         /* jnz  the dec */
	0xb0, 0x2a,                         /* mov  $42, %al */
	0xe6, PORT,                         /* out  %al, $PORT */
	0xf4,                               /* hlt */
};

struct guest {
	int kvm, vm, vcpu;
	void *memory;
	struct kvm_run *run;
};

/* Long mode over the first gigabyte, mapped one to one by one huge page. */
static void guest_load(struct guest *g)
{
	uint64_t pml4 = PDPT | 3, pdpt = 0x83;
	uint8_t *memory = g->memory;

	memcpy(memory + PML4, &pml4, sizeof(pml4));
	memcpy(memory + PDPT, &pdpt, sizeof(pdpt));
	memcpy(memory + CODE, code, sizeof(code));
}

static int guest_registers(struct guest *g)
{
	struct kvm_segment flat = { .limit = 0xffffffff, .present = 1, .s = 1, .g = 1 };
	struct kvm_regs regs = { .rip = CODE, .rflags = 2, .rsp = MEMORY_SIZE };
	struct kvm_sregs s;

	if (ioctl(g->vcpu, KVM_GET_SREGS, &s) < 0)
		return -1;
	s.cr3 = PML4;
	s.cr4 = 0x620;         /* PAE, OSFXSR, OSXMMEXCPT */
	s.cr0 = 0x80050033;    /* PG, AM, WP, NE, ET, MP, PE */
	s.efer = 0x500;        /* LMA, LME */
	s.cs = flat;
	s.cs.type = 11;
	s.cs.selector = 8;
	s.cs.l = 1;
	flat.type = 3;
	flat.db = 1;
	flat.selector = 16;
	s.ds = s.es = s.fs = s.gs = s.ss = flat;
	if (ioctl(g->vcpu, KVM_SET_SREGS, &s) < 0)
		return -1;
	return ioctl(g->vcpu, KVM_SET_REGS, &regs);
}

/* The processor's features as the host has them: without SSE2 pxor would fault. */
static int guest_features(struct guest *g)
{
	union {
		struct kvm_cpuid2 head;
		char space[sizeof(struct kvm_cpuid2) + 256 * sizeof(struct kvm_cpuid_entry2)];
	} cpuid = { .head = { .nent = 256 } };

	if (ioctl(g->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid.head) < 0)
		return -1;
	return ioctl(g->vcpu, KVM_SET_CPUID2, &cpuid.head);
}

static int guest_make(struct guest *g)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY_SIZE };
	int run_size;

	g->vm = ioctl(g->kvm, KVM_CREATE_VM, 0);
	if (g->vm < 0)
		return -1;
	g->memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g->memory == MAP_FAILED)
		return -1;
	region.userspace_addr = (uintptr_t)g->memory;
	run_size = ioctl(g->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (ioctl(g->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0 || run_size < (int)sizeof(*g->run))
		return -1;
	g->vcpu = ioctl(g->vm, KVM_CREATE_VCPU, 0);
	if (g->vcpu < 0)
		return -1;
	g->run = mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE, MAP_SHARED, g->vcpu, 0);
	if (g->run == MAP_FAILED)
		return -1;
	guest_load(g);
	return guest_features(g) < 0 ? -1 : guest_registers(g);
}

static void on_tick(int sig)
{
	(void)sig; /* only there to interrupt KVM_RUN */
}

/* The timer goes on ticking: a tick between our look at the clock and KVM_RUN is not the last. */
static int start_ticking(void)
{
	struct sigaction action = { .sa_handler = on_tick };
	struct itimerval every = { { 0, TICK_US }, { 0, TICK_US } };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return sigaction(SIGALRM, &action, NULL) < 0 || setitimer(ITIMER_REAL, &every, NULL) < 0 ? -1 : 0;
}

static enum accelerator_verdict guest_run(struct guest *g)
{
	int64_t deadline = mc_clock_boot() + RUN_AT_MOST;
	bool spoke = false;

	while (mc_clock_boot() < deadline) {
		if (ioctl(g->vcpu, KVM_RUN, 0) < 0) {
			if (errno != EINTR && errno != EAGAIN)
				return ACCELERATOR_BROKEN;
			continue;
		}
		if (g->run->exit_reason == KVM_EXIT_HLT)
			return spoke ? ACCELERATOR_KVM : ACCELERATOR_BROKEN;
		if (g->run->exit_reason != KVM_EXIT_IO || g->run->io.port != PORT)
			return ACCELERATOR_BROKEN;
		spoke = true;
	}
	return ACCELERATOR_BROKEN;
}

/* In the child, whose end releases everything. */
static enum accelerator_verdict probe_here(const char *device)
{
	struct guest g = { .kvm = open(device, O_RDWR | O_CLOEXEC) };

	if (g.kvm < 0)
		return errno == EACCES || errno == EPERM ? ACCELERATOR_DENIED
		       : errno == ENOENT || errno == ENXIO || errno == ENODEV ? ACCELERATOR_ABSENT
									      : ACCELERATOR_BROKEN;
	if (ioctl(g.kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION || start_ticking() < 0 || guest_make(&g) < 0)
		return ACCELERATOR_BROKEN;
	return guest_run(&g);
}

enum accelerator_verdict accelerator_probe(const char *device)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(probe_here(device));
	if (pid < 0)
		return ACCELERATOR_BROKEN;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return ACCELERATOR_BROKEN;
	if (!WIFEXITED(status) || WEXITSTATUS(status) >= ACCELERATOR_MAX)
		return ACCELERATOR_BROKEN;
	return (enum accelerator_verdict)WEXITSTATUS(status);
}

int accelerator_check(const char *option, mc_err **err)
{
	static const char *const words[] = { "auto", "kvm", "tcg" };

	for (size_t i = 0; i < MC_ARRAY_SIZE(words); i++)
		if (strcmp(option, words[i]) == 0)
			return 0;
	return mc_err_set(err, 0, "accelerator: \"%s\" is none of auto, kvm, tcg", option);
}

int accelerator_choose(const char *option, struct accelerator *ret, mc_err **err)
{
	enum accelerator_verdict v;

	if (strcmp(option, "kvm") == 0) {
		*ret = (struct accelerator){ .kvm = true, .reason = mc_strdup("KVM: the configuration says so") };
		return 0;
	}
	if (strcmp(option, "tcg") == 0) {
		*ret = (struct accelerator){ .reason = mc_strdup("emulation (TCG): the configuration says so") };
		return 0;
	}
	if (accelerator_check(option, err) < 0)
		return -1;
	v = accelerator_probe("/dev/kvm");
	*ret = (struct accelerator){ v == ACCELERATOR_KVM, mc_strdup(accelerator_text(v)), v };
	return 0;
}
