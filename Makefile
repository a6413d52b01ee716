# minicloud. `make` builds, `make demo` brings a cloud up, `make test` proves it.
# Every .c file of a room but main.c goes into the room's static library, which
# its daemon and its unit tests link; new files need no line here.
CC ?= gcc
CLANG ?= clang
PYTHON ?= /usr/bin/python3
PKG_CONFIG ?= pkg-config
PREFIX ?= /usr
DESTDIR ?=
B ?= build
BOTOCORE_DATA ?= /usr/lib/python3/dist-packages/botocore/data
OPT ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Werror
override CFLAGS += -std=gnu11 $(OPT) $(WARN) -fstack-protector-strong -D_GNU_SOURCE -I. -I$(B)/gen
HARDEN := -D_FORTIFY_SOURCE=2

DAEMONS := api hypervisor netd storaged
ROOMS := common $(DAEMONS) cli
pc = $(shell $(PKG_CONFIG) --$(1) $(2))
PKGS_common := jansson libmicrohttpd libcurl sqlite3 inih libcrypto
PKGS_api := $(PKGS_common) libcbor liblz4 libpcre2-8 zlib
PKGS_cli := $(PKGS_common) yaml-0.1
PKGS_hypervisor := $(PKGS_common) libvirt libvirt-qemu libxml-2.0
PKGS_netd := $(PKGS_common) libnl-3.0 libnl-route-3.0 libnftnl libnftables
PKGS_storaged := $(PKGS_common) libseccomp libcryptsetup
ALL_PKGS := $(sort $(PKGS_common) $(PKGS_api) $(PKGS_cli) $(PKGS_hypervisor) $(PKGS_netd) $(PKGS_storaged))
PKG_CFLAGS := $(call pc,cflags,$(ALL_PKGS))

# api/model (generated tables and their readers) and api/protocol are shared with the client.
GEN_SRC := $(B)/gen/model_tables.c
MODEL_SRC := $(wildcard api/model/*.c api/protocol/*.c)
src = $(filter-out %/main.c,$(wildcard $(1)/*.c $(1)/*/*.c))
SRC_common := $(call src,common)
SRC_model := $(MODEL_SRC) $(GEN_SRC)
SRC_api := $(filter-out $(MODEL_SRC),$(call src,api))
SRC_cli := $(call src,cli)
SRC_hypervisor := $(call src,hypervisor)
SRC_netd := $(call src,netd)
SRC_storaged := $(call src,storaged)
LIBS_OF_model := common
LIBS_OF_api := model common
LIBS_OF_cli := model common
LIBS_OF_hypervisor := common
LIBS_OF_netd := common
LIBS_OF_storaged := common

obj = $(patsubst %.c,$(B)/obj/%.o,$(patsubst $(B)/gen/%,gen/%,$(1)))
BINS := $(B)/minicloud $(DAEMONS:%=$(B)/minicloud-%)
TOOLS := $(patsubst deploy/%.c,$(B)/%,$(wildcard deploy/*.c))
UNIT := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/*_test.c))
Q := $(if $(V),,@)

all: $(BINS) $(TOOLS)

$(B)/gen/model_tables.c: api/model/generate.py $(wildcard api/model/*.json)
	@mkdir -p $(@D)
	@echo "  GEN   $@"
	$(Q)$(PYTHON) api/model/generate.py --data $(BOTOCORE_DATA) --overlay api/model/overlay.json --output $@

# For `crash-build`: what common/crash.h is for.
ifdef CRASH_POINTS
override CPPFLAGS += -DMC_CRASH_POINTS
$(B)/obj/hypervisor/%.o: override CPPFLAGS += -include hypervisor/libvirt_points.h
endif

$(B)/obj/gen/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(HARDEN) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

# The page is within the program.
$(B)/obj/api/billing/page_meters.o: api/billing/meters.html

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(HARDEN) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

define library
$(B)/lib$(1).a: $$(call obj,$$(SRC_$(1)))
	@mkdir -p $$(@D)
	@echo "  AR    $$@"
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$^
endef
$(foreach l,common model $(DAEMONS) cli,$(eval $(call library,$(l))))

define program
$(B)/minicloud$(if $(filter cli,$(1)),,-$(1)): $(B)/obj/$(1)/main.o $(B)/lib$(1).a $(LIBS_OF_$(1):%=$(B)/lib%.a)
	@echo "  LD    $$@"
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(call pc,libs,$$(PKGS_$(1))) -pthread -lm $$(LIBS)
endef
$(foreach r,$(DAEMONS) cli,$(eval $(call program,$(r))))

# Small stand-alone programs of the launcher.
$(B)/%: deploy/%.c $(B)/libcommon.a
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(HARDEN) $(PKG_CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libcommon.a $(call pc,libs,$(PKGS_common)) -pthread

# It reads what libvirt has written, as hypervisor does.
$(B)/before-libvirtd: deploy/before-libvirtd.c $(B)/libhypervisor.a $(B)/libcommon.a
	@echo "  LD    $@"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(HARDEN) $(PKG_CFLAGS) $(LDFLAGS) -o $@ $^ $(call pc,libs,$(PKGS_common) libxml-2.0) -pthread

# Unit tests: tests/unit/ROOM_noun_test.c links ROOM's library.
room_of = $(firstword $(subst _, ,$(notdir $(1))))
.SECONDEXPANSION:
$(B)/tests/%: tests/unit/%.c $$(B)/lib$$(call room_of,$$@).a $$(addsuffix .a,$$(addprefix $$(B)/lib,$$(LIBS_OF_$$(call room_of,$$@))))
	@mkdir -p $(@D)
	@echo "  TEST  $@"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(PKG_CFLAGS) $(LDFLAGS) -MMD -MP -MF $(B)/tests/$*.d -o $@ $(filter-out %.h,$^) \
	  $(call pc,libs,$(ALL_PKGS) cmocka) -pthread -lm $(LIBS)

# Fuzz targets: tests/fuzz/fuzz_ROOM_noun.c links ROOM's library; built by the recipes of
# `fuzz` and `fuzz-smoke` below, in a directory of their own.
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
$(B)/fuzz/%: tests/fuzz/fuzz_%.c $$(B)/lib$$(call room_of,$$@).a $$(addsuffix .a,$$(addprefix $$(B)/lib,$$(LIBS_OF_$$(call room_of,$$@))))
	@mkdir -p $(@D)
	@echo "  FUZZ  $@"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(PKG_CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -MMD -MP -MF $@.d -o $@ $(filter-out %.h,$^) \
	  $(call pc,libs,$(ALL_PKGS)) -pthread -lm $(LIBS)

unit: $(UNIT)
check: unit
	$(Q)fail=0; for t in $(UNIT); do echo "== $$t"; $$t || fail=1; done; exit $$fail

ASAN_OPT := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
asan_build = $(MAKE) --no-print-directory B=build-asan HARDEN= OPT="$(ASAN_OPT)" $(1)
unit-asan:
	+$(Q)$(call asan_build,unit)
check-asan:
	+$(Q)$(call asan_build,check)

check-clang:
	$(Q)$(MAKE) --no-print-directory B=build-clang CC="$(CLANG)" all unit

# What is random is another each time where it is asked for by name, and says its seed; SEED=N is that one again. `make test` takes
# the same ones always.
ANY_SEED = $(eval ANY_SEED := $(or $(SEED),$(shell shuf -i 1-999999 -n 1)))$(ANY_SEED)

# Every fuzz target for some 20 s of a processor, FUZZ_JOBS at a time, always with the same inputs; `make fuzz T=query SECONDS=600`
# one of them for so much time of a processor; WRITE=1 keeps its figures in docs/fuzzing.md.
T ?=
SECONDS ?= 600
FUZZ_JOBS ?= $(shell nproc)
FUZZ_OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
fuzz_build = $(MAKE) --no-print-directory B=build-fuzz CC=$(CLANG) HARDEN= OPT="$(FUZZ_OPT)" $(1:%=build-fuzz/fuzz/%)
fuzz-smoke:
	+$(Q)$(call fuzz_build,$(FUZZ))
	$(Q)tests/fuzz/run --build build-fuzz --smoke --jobs $(FUZZ_JOBS) $(SEED:%=--seed %)
fuzz:
	+$(Q)$(call fuzz_build,$(if $(T),$(filter $(T) %_$(T),$(FUZZ)),$(FUZZ)))
	$(Q)tests/fuzz/run --build build-fuzz --cpu-seconds $(SECONDS) --seed $(ANY_SEED) $(if $(WRITE),--write) $(T)

# What is measured in tests/bench, each thing against another in turn; WRITE=1 keeps the table.
$(B)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	@echo "  BENCH $@"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(HARDEN) $(LDFLAGS) -o $@ $< -pthread
bench: all $(B)/bench/load $(B)/bench/packets
	$(Q)tests/bench/run $(if $(WRITE),--write) $(BENCH)

# LAUNCHES instances at the same time while packets are sent at them; some minutes.
LAUNCHES ?= 20
launch-window: all
	$(Q)LAUNCHES=$(LAUNCHES) tests/run integration -- tests/integration/window/launches.py

# storaged killed at every point of what changes the store; some ten minutes.
crash-sweep: crash-build
	$(Q)tests/integration/storaged/crash_sweep.py

# A whole cloud on a small file system that fills up; shared volumes on a file system that clones; then, in one cloud, guests that do
# not let go of a volume and a disk that fails. Five minutes.
TROUBLE := full_disk shared_clone busy failing
disk-trouble: all
	$(Q)tests/run integration -- $(TROUBLE:%=tests/integration/disks/%.py)

# Everybody killed at every point of instances' and volumes' lives, of which `make test` does a part (docs/crashes.md).
crash-matrix: crash-build
	$(Q)tests/run crash -- --share 100 --keep --workers 3 --seed $(ANY_SEED) $(MATRIX)

# Everybody killed at any time: HUNTS rounds of HUNT_SECONDS, the first with the seed SEED, or with any.
HUNTS ?= 5
HUNT_SECONDS ?= 60
crash-hunt: crash-build
	$(Q)tests/run hunt -- --rounds $(HUNTS) --seconds $(HUNT_SECONDS) $(if $(SEED),--seed $(SEED))

# What is tried at random, with each of SEEDS seeds, of which `make test` takes a few, always the same ones: OPERATIONS on volumes and
# snapshots against a model of what each must read; changes of a VPC and of its rules with netd killed in them; histories of what is
# billed. A failure says which seed it was and how to have it again.
SEEDS ?= 40
OPERATIONS ?= 100
property: property-billing property-netd property-storaged
property-storaged: all
	$(Q)tests/integration/storaged/model.py --operations $(OPERATIONS) --seeds $(SEEDS) --seed $(ANY_SEED)
NETD_CHANGES := test_property.py::test_killed_in_a_hundred_changes test_rules.py::test_killed_in_changes
property-netd: all
	$(Q)MINICLOUD_SEED=$(ANY_SEED) MINICLOUD_SEEDS=$(SEEDS) tests/run integration -- $(NETD_CHANGES:%=tests/integration/netd/%)
property-billing: $(B)/tests/api_billing_property_test
	$(Q)MINICLOUD_SEED=$(ANY_SEED) MINICLOUD_HISTORIES=$(SEEDS) $<

# Encrypted volumes of several instances: all their zeros are written, some minutes on a slow disk.
shared-volumes: all
	$(Q)MINICLOUD_LONG=1 tests/run integration -- tests/integration/storaged/test_shared.py tests/integration/test_3_shared.py

# Terraform's volumes, snapshots, images and keys, and its instances with several disks: made, changed in place, destroyed; some minutes.
.PHONY: terraform-storage
terraform-storage: all
	$(Q)tests/run integration -- tests/integration/lifecycle/terraform_storage.py
	$(Q)tests/run integration -- tests/integration/disks/terraform_disks.py

# Each action of a part by the unmodified AWS CLI, boto3 and Terraform; prints who has called what. Some ten minutes.
# AWS=/usr/bin/aws: by that CLI instead of the newest there is.
.PHONY: clients
clients: all
	$(Q)$(if $(AWS),MINICLOUD_CLIENTS_AWS=$(AWS)) tests/run integration -- tests/integration/clients/walk.py $(if $(K),-k '$(K)')

# The daemons with the crash points of common/crash.h in them, for the kill matrix.
crash-build:
	$(Q)$(MAKE) --no-print-directory B=build-crash CRASH_POINTS=1 $(BINS:$(B)/%=build-crash/%) $(TOOLS:$(B)/%=build-crash/%)

# The pages say what --help says: both come from the option tables. The client writes a page for
# each of its commands and for each operation that the API daemon has.
MAN := $(DAEMONS:%=$(B)/man/minicloud-%.8) $(B)/man/minicloud.1
man: $(MAN)
$(B)/man/%.8: $(B)/% docs/man/daemon.h2m
	@mkdir -p $(@D)
	@echo "  MAN   $@"
	$(Q)help2man -N -s 8 -n "$$($< --help | sed -n 2p)" -i docs/man/daemon.h2m -o $@ $<
$(B)/man/minicloud.1: $(B)/minicloud $(B)/minicloud-api
	@mkdir -p $(@D)
	@echo "  MAN   $(@D)/*.1"
	$(Q)rm -f $(@D)/*.1
	$(Q)$(B)/minicloud-api --operations yes --config /dev/null > $(@D)/operations
	$(Q)LC_ALL=C.UTF-8 $(B)/minicloud __man $(@D) < $(@D)/operations || { rm -f $@; false; }

install: all man
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/minicloud $(DESTDIR)$(PREFIX)/share/minicloud \
	  $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man8 $(DESTDIR)/etc/minicloud \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions \
	  $(DESTDIR)$(PREFIX)/lib/systemd/system/libvirtd.service.d $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
	install -m 0755 $(BINS) $(DESTDIR)$(PREFIX)/bin
	install -m 0755 $(TOOLS) deploy/launcher deploy/private-libvirtd $(DESTDIR)$(PREFIX)/lib/minicloud
	install -m 0644 deploy/instance-types.json deploy/ami-aliases.json deploy/prices.json $(DESTDIR)$(PREFIX)/share/minicloud
	install -m 0644 $(B)/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 0644 $(B)/man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 0644 deploy/completion/minicloud.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/minicloud
	install -m 0644 deploy/completion/_minicloud $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions
	install -m 0644 deploy/minicloud.conf $(DESTDIR)/etc/minicloud
	sed 's,/usr/lib/minicloud,$(PREFIX)/lib/minicloud,' deploy/systemd/libvirtd-minicloud.conf | install -m 0644 /dev/stdin \
	  $(DESTDIR)$(PREFIX)/lib/systemd/system/libvirtd.service.d/minicloud.conf
	set -e; for unit in $(notdir $(wildcard deploy/systemd/*.service)); do \
	  sed 's,=/usr/bin/minicloud,=$(PREFIX)/bin/minicloud,' deploy/systemd/$$unit | install -m 0644 /dev/stdin \
	    $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit; done
	install -m 0644 deploy/systemd/minicloud-sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/minicloud.conf
	install -m 0644 deploy/systemd/minicloud-tmpfiles.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/minicloud.conf

deps:
	$(Q)deploy/install-packages build run
demo: deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)deploy/demo up
down:
	$(Q)deploy/demo down $(if $(PURGE),--purge)
test:
	$(Q)deploy/install-packages build run test
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) all unit
	$(Q)tests/run

clean:
	rm -rf build build-asan build-clang build-crash build-fuzz

-include $(shell find $(B) -name '*.d' 2>/dev/null)
# Objects and libraries are worth keeping whoever asked for them.
.SECONDARY:
.PHONY: bench launch-window property property-billing property-netd property-storaged shared-volumes crash-sweep crash-matrix crash-hunt disk-trouble fuzz fuzz-smoke crash-build man install all unit check unit-asan check-asan check-clang deps demo down test clean
.DELETE_ON_ERROR:
