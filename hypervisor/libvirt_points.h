/* For the tests that kill (common/crash.h): a point before every call that goes to
 * libvirtd, and one after each that changes something there. `make crash-build` puts this
 * before all other headers of this room; tests/integration/crash misses no call in it. */
#ifndef MC_HYPERVISOR_LIBVIRT_POINTS_H
#define MC_HYPERVISOR_LIBVIRT_POINTS_H

#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "common/crash.h"

#define virDomainAttachDeviceFlags(...) MC_CRASH_AROUND(virDomainAttachDeviceFlags(__VA_ARGS__))
#define virDomainBlockCommit(...) MC_CRASH_AROUND(virDomainBlockCommit(__VA_ARGS__))
#define virDomainBlockJobAbort(...) MC_CRASH_AROUND(virDomainBlockJobAbort(__VA_ARGS__))
#define virDomainBlockRebase(...) MC_CRASH_AROUND(virDomainBlockRebase(__VA_ARGS__))
#define virDomainBlockResize(...) MC_CRASH_AROUND(virDomainBlockResize(__VA_ARGS__))
#define virDomainCreateWithFlags(...) MC_CRASH_AROUND(virDomainCreateWithFlags(__VA_ARGS__))
#define virDomainDefineXMLFlags(...) MC_CRASH_AROUND(virDomainDefineXMLFlags(__VA_ARGS__))
#define virDomainDestroy(...) MC_CRASH_AROUND(virDomainDestroy(__VA_ARGS__))
#define virDomainDetachDeviceAlias(...) MC_CRASH_AROUND(virDomainDetachDeviceAlias(__VA_ARGS__))
#define virDomainFSThaw(...) MC_CRASH_AROUND(virDomainFSThaw(__VA_ARGS__))
#define virDomainQemuMonitorCommand(...) MC_CRASH_AROUND(virDomainQemuMonitorCommand(__VA_ARGS__))
#define virDomainReboot(...) MC_CRASH_AROUND(virDomainReboot(__VA_ARGS__))
#define virDomainReset(...) MC_CRASH_AROUND(virDomainReset(__VA_ARGS__))
#define virDomainResume(...) MC_CRASH_AROUND(virDomainResume(__VA_ARGS__))
#define virDomainSetBlockIoTune(...) MC_CRASH_AROUND(virDomainSetBlockIoTune(__VA_ARGS__))
#define virDomainSetMetadata(...) MC_CRASH_AROUND(virDomainSetMetadata(__VA_ARGS__))
#define virDomainSetSchedulerParametersFlags(...) MC_CRASH_AROUND(virDomainSetSchedulerParametersFlags(__VA_ARGS__))
#define virDomainShutdownFlags(...) MC_CRASH_AROUND(virDomainShutdownFlags(__VA_ARGS__))
#define virDomainSnapshotCreateXML(...) MC_CRASH_AROUND(virDomainSnapshotCreateXML(__VA_ARGS__))
#define virDomainSuspend(...) MC_CRASH_AROUND(virDomainSuspend(__VA_ARGS__))
#define virDomainUndefineFlags(...) MC_CRASH_AROUND(virDomainUndefineFlags(__VA_ARGS__))
#define virDomainUpdateDeviceFlags(...) MC_CRASH_AROUND(virDomainUpdateDeviceFlags(__VA_ARGS__))

#define virConnectClose(...) MC_CRASH_BEFORE(virConnectClose(__VA_ARGS__))
#define virConnectDomainEventDeregisterAny(...) MC_CRASH_BEFORE(virConnectDomainEventDeregisterAny(__VA_ARGS__))
#define virConnectDomainEventRegisterAny(...) MC_CRASH_BEFORE(virConnectDomainEventRegisterAny(__VA_ARGS__))
#define virConnectGetAllDomainStats(...) MC_CRASH_BEFORE(virConnectGetAllDomainStats(__VA_ARGS__))
#define virConnectGetCapabilities(...) MC_CRASH_BEFORE(virConnectGetCapabilities(__VA_ARGS__))
#define virConnectGetLibVersion(...) MC_CRASH_BEFORE(virConnectGetLibVersion(__VA_ARGS__))
#define virConnectGetVersion(...) MC_CRASH_BEFORE(virConnectGetVersion(__VA_ARGS__))
#define virConnectListAllDomains(...) MC_CRASH_BEFORE(virConnectListAllDomains(__VA_ARGS__))
#define virConnectOpen(...) MC_CRASH_BEFORE(virConnectOpen(__VA_ARGS__))
#define virConnectRegisterCloseCallback(...) MC_CRASH_BEFORE(virConnectRegisterCloseCallback(__VA_ARGS__))
#define virConnectSetKeepAlive(...) MC_CRASH_BEFORE(virConnectSetKeepAlive(__VA_ARGS__))
#define virConnectUnregisterCloseCallback(...) MC_CRASH_BEFORE(virConnectUnregisterCloseCallback(__VA_ARGS__))
#define virDomainAgentSetResponseTimeout(...) MC_CRASH_BEFORE(virDomainAgentSetResponseTimeout(__VA_ARGS__))
#define virDomainGetBlockJobInfo(...) MC_CRASH_BEFORE(virDomainGetBlockJobInfo(__VA_ARGS__))
#define virDomainGetBlockInfo(...) MC_CRASH_BEFORE(virDomainGetBlockInfo(__VA_ARGS__))
#define virDomainGetDiskErrors(...) MC_CRASH_BEFORE(virDomainGetDiskErrors(__VA_ARGS__))
#define virDomainGetState(...) MC_CRASH_BEFORE(virDomainGetState(__VA_ARGS__))
#define virDomainGetXMLDesc(...) MC_CRASH_BEFORE(virDomainGetXMLDesc(__VA_ARGS__))
#define virDomainIsActive(...) MC_CRASH_BEFORE(virDomainIsActive(__VA_ARGS__))
#define virDomainListGetStats(...) MC_CRASH_BEFORE(virDomainListGetStats(__VA_ARGS__))
#define virDomainLookupByName(...) MC_CRASH_BEFORE(virDomainLookupByName(__VA_ARGS__))
#define virDomainMemoryStats(...) MC_CRASH_BEFORE(virDomainMemoryStats(__VA_ARGS__))
#define virDomainOpenConsole(...) MC_CRASH_BEFORE(virDomainOpenConsole(__VA_ARGS__))

#endif
